"""The errors that mssviz raises: each says what was required, what came, and what to do."""


class MssvizError(Exception):
    """Any failure that mssviz foresees; its text is one line for the user.

    Parameters
    ----------
    text
        Sentence for everybody: what is wrong, and what to do.
    typed
        Remedy for those who type commands or code; the explorer, which has controls of its own,
        does not show it.

    Examples
    --------
    >>> try:
    ...     mssviz.Separator("spleeter:2stems", power=-1)
    ... except mssviz.MssvizError as error:
    ...     print(error)
    mask exponent must lie in (0, 64] (got -1)
    """

    def __init__(self, text: object = "", typed: str = "") -> None:
        super().__init__(*(part for part in (text, typed) if part))

    def __str__(self) -> str:
        return one_line("; ".join(map(str, self.args)))

    @property
    def on_page(self) -> str:
        """The text without what only helps those who type commands or code."""
        return one_line(self.args[0]) if self.args else ""


class ParameterError(MssvizError, ValueError):
    """An argument, an option or a configuration is outside its domain.

    Examples
    --------
    >>> mssviz.Separator("spleeter:3stems")
    Traceback (most recent call last):
        ...
    mssviz.errors.ParameterError: no preset 'spleeter:3stems': choose one of spleeter:2stems, ...
    """


class AudioError(MssvizError):
    """A sound file or a waveform cannot be read, used or written.

    Examples
    --------
    >>> mssviz.load_audio("no such song.mp3")
    Traceback (most recent call last):
        ...
    mssviz.errors.AudioError: no such song.mp3: no such file; check its name and folder
    """


class FileError(MssvizError):
    """A file or folder other than sound cannot be written, or holds what must not be replaced.

    Examples
    --------
    >>> from pathlib import Path
    >>> Path("masks.npz").mkdir()
    >>> editor = mssviz.MaskEditor({"vocals": np.ones((8, 2049, 2))}, mssviz.stft.StftParams())
    >>> editor.save("masks.npz")
    Traceback (most recent call last):
        ...
    mssviz.errors.FileError: masks.npz: ...
    """


class PretrainedError(MssvizError):
    """Weights are missing, damaged, or belong to another network.

    Examples
    --------
    >>> mssviz.Separator("uhlich-fnn")
    Traceback (most recent call last):
        ...
    mssviz.errors.PretrainedError: uhlich-fnn has no weights that can be fetched; train it, ...
    """


class Cancelled(MssvizError):  # noqa: N818, nothing went wrong
    """The user stopped a long computation; a progress callback raises this to stop one.

    Examples
    --------
    >>> def stop(done, total, what):
    ...     raise mssviz.Cancelled("that is enough")
    >>> separator = mssviz.Separator("spleeter:2stems")
    >>> separator.separate(np.zeros((44100, 2), np.float32), 44100, progress=stop)
    Traceback (most recent call last):
        ...
    mssviz.errors.Cancelled: that is enough
    """


def one_line(text: object) -> str:
    """Write line breaks and whatever else is not printed as escapes, so that a text is one line."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode()
        for c in str(text)
    )


def reason(error: BaseException) -> str:
    """First line of the message of a library's error, for a message of our own."""
    text = str(getattr(error, "strerror", None) or error).strip() or type(error).__name__
    return text.splitlines()[0][:160]
