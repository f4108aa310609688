"""The errors that mssviz raises: each says what was required, what came, and what to do."""


class MssvizError(Exception):
    """Any failure that mssviz foresees; its text is one line, meant for the user."""

    def __str__(self) -> str:
        return one_line(super().__str__())


class ParameterError(MssvizError, ValueError):
    """An argument, an option or a configuration is outside its domain."""


class AudioError(MssvizError):
    """A sound file or a waveform cannot be read, used or written."""


class FileError(MssvizError):
    """A file or a folder that is no sound cannot be written, or holds what must not be replaced."""


class PretrainedError(MssvizError):
    """Weights are missing, damaged, or belong to another network."""


class Cancelled(MssvizError):  # noqa: N818, nothing went wrong
    """The user stopped a long computation; raise it from a progress callback to stop one."""


def one_line(text: object) -> str:
    """Text in which a line break, or whatever else is not printed, is written as its escape."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode()
        for c in str(text)
    )


def reason(error: BaseException) -> str:
    """First line of what an error of a library says, for one of our own messages."""
    text = str(getattr(error, "strerror", None) or error).strip() or type(error).__name__
    return text.splitlines()[0][:160]
