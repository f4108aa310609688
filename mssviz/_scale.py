"""The same work on many processors: jobs spread over the workers of a Dask cluster."""

import multiprocessing.spawn
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from mssviz.errors import MssvizError, ParameterError, reason

if TYPE_CHECKING:
    from distributed import Client

_Key = TypeVar("_Key", bound=Hashable)
#: Number of jobs for each worker that are running or waiting there; the others wait here.
JOBS_PER_WORKER = 2
#: Number of times that a job is tried again if it failed for a reason of the machine's.
RETRIES = 2
CONNECT_SECONDS = 15
#: Beginning of Dask's names of processes.
_WORKERS = "Dask Worker"


def spread(
    function: Callable[..., Any],
    jobs: Mapping[_Key, tuple[Any, ...]],
    workers: Any,
    keep_errors: bool = False,
) -> Iterator[tuple[_Key, Any]]:
    """Call a function for each job on a worker, and yield results as they come.

    Only as many jobs are handed out as keep the workers busy. If a worker dies, others do its jobs;
    results that have been yielded are not lost.

    Parameters
    ----------
    function
        Function of a module, so that workers can import it.
    jobs
        Arguments of each job, by key.
    workers
        Number of processes of a local cluster, address of a Dask scheduler, or a
        ``distributed.Client``.
    keep_errors
        Whether a `MssvizError` that the function raises takes the place of its result, so that the
        other jobs go on; otherwise it is raised.

    Raises
    ------
    MssvizError
        If the function raises it, or a job has killed several workers.
    ParameterError
        If `workers` is none of these, or no scheduler answers there.
    """
    from distributed import KilledWorker, as_completed

    with ExitStack() as stack:
        client = _client(workers, stack)
        waiting = iter(jobs.items())
        keys: dict[Any, _Key] = {}

        def submit() -> Any:
            for key, arguments in waiting:
                future = client.submit(_attempt, function, *arguments, pure=False, retries=RETRIES)
                keys[future.key] = key
                return future
            return None

        n_workers = max(1, len(client.scheduler_info(n_workers=-1)["workers"]))
        running = as_completed([f for _ in range(JOBS_PER_WORKER * n_workers) if (f := submit())])
        stack.callback(lambda: client.cancel(list(running.futures)))
        for future in running:
            try:
                result = future.result()
            except KilledWorker as error:
                raise MssvizError(
                    f"{keys[future.key]}: several workers died of it ({reason(error)}); give them "
                    "more memory, or leave it out"
                ) from error
            if isinstance(result, MssvizError) and not keep_errors:
                raise result
            if following := submit():
                running.add(following)
            yield keys.pop(future.key), result


def _attempt(function: Callable[..., Any], *arguments: Any) -> Any:
    # an error that mssviz foresees would come again: it is a result, not a reason to try again
    try:
        return function(*arguments)
    except MssvizError as error:
        return error


@contextmanager
def _without_main() -> Iterator[None]:
    """Start workers without the script that has started this process.

    Workers do not need the script, and it may have no ``if __name__ == "__main__":``. Then each of
    them would do all of its work again, and fail where it starts workers of its own.
    """
    spawn: Any = multiprocessing.spawn
    given = spawn.get_preparation_data

    def prepared(name: str) -> dict[str, Any]:
        data: dict[str, Any] = given(name)
        if name.startswith(_WORKERS):
            data = {key: v for key, v in data.items() if not key.startswith("init_main")}
        return data

    spawn.get_preparation_data = prepared
    try:
        yield
    finally:
        spawn.get_preparation_data = given


def _client(workers: Any, stack: ExitStack) -> "Client":
    try:
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise MssvizError("workers need Dask; run: pip install 'mssviz[scale]'") from error

    if isinstance(workers, Client):
        return workers
    if isinstance(workers, int) and not isinstance(workers, bool) and workers > 0:
        stack.enter_context(_without_main())
        cluster: Any = LocalCluster(
            n_workers=workers, threads_per_worker=1, dashboard_address=None,
            # Dask answers there how its scheduler is, and warns if another one has its usual port
            scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
        )  # fmt: skip
        return stack.enter_context(Client(stack.enter_context(cluster)))
    if not isinstance(workers, str):
        raise ParameterError(
            "workers must be a number of processes, the address of a Dask scheduler, or a Client "
            f"(got {workers!r})"
        )
    try:
        return stack.enter_context(Client(workers, timeout=CONNECT_SECONDS))
    except (OSError, ValueError) as error:
        raise ParameterError(
            f"{workers}: no Dask scheduler answers ({reason(error)}); give an address such as "
            "tcp://host:8786"
        ) from error
