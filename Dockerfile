# JupyterLab with mssviz, its course and the weights of spleeter:2stems. docs/install.md says more.
#
#   docker build --tag mssviz .
#   docker run --rm --init --publish 127.0.0.1:8888:8888 mssviz    # prints an address with a token
FROM debian:trixie-slim

# Versions of Debian's packages are left open, so that each build has the latest repairs.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3 python3-venv \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1000 mssviz \
    && python3 -m venv /opt/mssviz

ENV PATH=/opt/mssviz/bin:$PATH

# Exact versions, checked by hash; this layer stays while only mssviz changes.
RUN --mount=type=bind,source=requirements-run.lock,target=/src/requirements-run.lock \
    pip install --no-cache-dir --require-hashes --requirement /src/requirements-run.lock

RUN --mount=type=bind,source=.,target=/src \
    pip install --no-cache-dir --no-build-isolation --no-deps /src

USER 1000
WORKDIR /home/mssviz
RUN mssviz models fetch spleeter:2stems && mkdir work
WORKDIR /home/mssviz/work

EXPOSE 8888
HEALTHCHECK --start-period=60s CMD \
    ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8888/api', timeout=5)"]
CMD ["mssviz", "explore", "--course", "--", "--ip=0.0.0.0", "--port=8888", "--ServerApp.port_retries=0", "--no-browser"]
