"""Networks without weights, for counting those of networks that take long to fill."""

from concurrent.futures import ThreadPoolExecutor

from mssviz.networks._tensorflow import keras


def outline(build, *arguments, **options):
    """What `build` gives, with shapes but without values.

    Keras keeps a list of weights that it has yet to fill, one a thread; with this thread it goes,
    and no later test has to fill them.
    """

    def work():
        with keras.StatelessScope(initialize_variables=False):
            return build(*arguments, **options)

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result()
