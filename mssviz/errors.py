"""The errors that mssviz raises: each says what was required, what came, and what to do."""


class MssvizError(Exception):
    """Any failure that mssviz foresees; its text is one line, meant for the user."""


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


def reason(error: BaseException) -> str:
    """First line of what an error of a library says, for one of our own messages."""
    text = str(getattr(error, "strerror", None) or error).strip() or type(error).__name__
    return text.splitlines()[0][:160]
