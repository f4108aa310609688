"""The explorer's work without its page: songs, models, results, strokes, scores.

It needs no widgets: ipywidgets, anywidget and traitlets are not imported.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Unpack

from mssviz import datasets
from mssviz._memory import give_back, hold_large_apart
from mssviz._typing import MaskPart, Progress
from mssviz.errors import Cancelled, ParameterError
from mssviz.insight import Surgery
from mssviz.separation import MaskChanges, Run, Separation
from mssviz.separation.editing import MaskEditor, Stroke
from mssviz.separation.laboratory import Laboratory
from mssviz.separators import TWO_STEMS, Model, find
from mssviz.separators.network import is_ready_network, warm_up
from mssviz.widgets.explorer.choice import Choice
from mssviz.widgets.explorer.excerpt import Excerpt
from mssviz.widgets.explorer.reading import Reader
from mssviz.widgets.explorer.result import Result
from mssviz.widgets.explorer.scoring import Scorer
from mssviz.widgets.explorer.work import Listener, Status, Work

#: Pause between parts of a long excerpt, in seconds, in which the kernel answers the widgets.
PAUSE_SECONDS = 0.1

_WARM_UP = "warm up"
#: Names of the work after which what was found out is found out anew; strokes have none.
_CHANGES = ("separate", "remask", "operate", None)

#: Function that changes masks and returns the frames in which it did.
Change = Callable[[MaskEditor], slice]
#: Function that gives one answer after the other about a result, and reports its progress.
Question = Callable[[Result, Progress], Iterator[Any]]


class Session:
    """Separates songs, changes masks and measures, one thing after the other in the background.

    A result stays until the next one is complete: a run that fails or is cancelled changes nothing.
    Before the first one, the mixture of what is chosen can be looked at and heard.

    Parameters
    ----------
    listener
        Listener that is told what changes.

    Attributes
    ----------
    result : Result or None
        Latest result; while a first run is at work, the one that it fills in.
    excerpt : Excerpt or None
        Excerpt that is shown before there is a complete result.
    status : Status
        State of the work, with what must be said of it.
    models : dict
        Models that have been found, by (name, targets of an oracle). A model that you put there is
        used in place of the one of this name.
    """

    # long: all that runs in its one thread, and shares the result that is being worked on

    def __init__(self, listener: Listener | None = None) -> None:
        hold_large_apart()
        self.result: Result | None = None
        self.excerpt: Excerpt | None = None
        self.status = Status()
        self.models: dict[tuple[str, tuple[str, ...]], Model] = {}
        self._listener = listener or Listener()
        self._wanted: dict[str, Any] = {}
        self._chosen: Choice | None = None
        self._work = Work(self._tell_status)
        self._reader = Reader(self._tell_status, self._tell_excerpt)
        self._scorer = Scorer(self._listener.scores_changed)

    @property
    def laboratory(self) -> Laboratory | None:
        """The excerpt with its present masks and stems; None before the first run's end."""
        return self.result.laboratory if self.result and self.result.complete else None

    # --- what can be asked of it --------------------------------------------------------------

    def separate(self, choice: Choice) -> Separation:
        """Separate a song, and wait for the result and its scores.

        Raises
        ------
        MssvizError
            If it cannot be done; the last result stays.
        """
        failures: list[BaseException] = []
        self.begin(choice, failures.append)
        try:
            self.wait()
        except KeyboardInterrupt:
            self.cancel()
            raise
        if failures:
            raise failures[0]
        return self.complete_result().laboratory.heard

    def look_at(self, choice: Choice) -> None:
        """Read an excerpt in the background and show its mixture, unless there is a result.

        Parameters
        ----------
        choice
            Song, excerpt and models that are chosen.
        """
        self._chosen = choice
        if self.result is None and not self._work.busy("separate"):
            self._read(choice)

    def begin(
        self, choice: Choice, fail: Callable[[BaseException], object] = lambda _: None
    ) -> None:
        """Separate a song after everything that was begun before.

        Parameters
        ----------
        choice
            Song, excerpt and models to separate.
        fail
            Function that gets the error, if there is one.
        """
        if self._work.closed:
            raise ParameterError("this explorer is closed: make another one")
        self._reader.drop()
        self._work.do(lambda: self._separate(choice, fail), "separate")

    def warm_up(self, model: str) -> None:
        """Build a network in the background if its weights are here, before it is waited for."""
        if is_ready_network(model):
            self._work.do(lambda: warm_up(self._find(model)), _WARM_UP)

    def set_options(
        self,
        oracle_phase: bool = False,
        mask_part: MaskPart = "whole",
        **options: Unpack[MaskChanges],
    ) -> None:
        """Choose how masks are made, for this result and all that follow.

        Parameters
        ----------
        oracle_phase
            Whether stems get the true stems' phase, where those are known.
        mask_part
            Part of complex masks that is heard, as for `Laboratory.set_options`; of other masks,
            the whole.
        options
            Any of `MaskOptions`. Options that do nothing for a model are left out for it, and
            others stay as they are.
        """
        of_sound = {"oracle_phase": oracle_phase, "mask_part": mask_part}
        self._wanted = {**self._wanted, **of_sound, **options}
        self._work.do(self._remask, "remask")

    def paint(self, stroke: Stroke, sum_to_one: bool = True) -> None:
        """Change masks with a stroke.

        Parameters
        ----------
        stroke
            Stroke of the brush.
        sum_to_one
            Whether the other stems' masks change, too, so that all keep their sum.
        """

        def apply(editor: MaskEditor) -> slice:
            editor.sum_to_one = sum_to_one
            return editor.apply(stroke, self._work.report_share)

        self._change(apply, MaskEditor.undo)

    def undo(self) -> None:
        """Take the last stroke back."""
        self._change(MaskEditor.undo, MaskEditor.redo)

    def redo(self) -> None:
        """Paint again the stroke that was taken back last."""
        self._change(MaskEditor.redo, MaskEditor.undo)

    def ask(
        self,
        what: str,
        question: Question,
        answer: Callable[[Result, Any], object],
        again: bool = False,
    ) -> None:
        """Find something out about the result in the background.

        Parameters
        ----------
        what
            Text that says what is found out, while it is. Of two questions with the same text, the
            one that waits is dropped.
        question
            Function of the result and a callback for the progress, that yields answers.
        answer
            Function that gets the result and each answer, unless there is another result by then.
        again
            Whether it is asked only because the result has changed: then further changes go first.
        """
        self._work.do(lambda: self._ask(what, question, answer, again), what)

    def operate(self, surgery: Surgery) -> None:
        """Let a network with other parts switched off take the place of the result's own.

        Parameters
        ----------
        surgery
            Network that was made of the result's model; `Surgery.reset` makes it whole again.
            Strokes stay on the masks.
        """
        self._work.do(lambda: self._operate(surgery), "operate")

    def select(self, selection: Sequence[float] | None) -> None:
        """Choose a part that alone is measured, and whose masks are made first from now on.

        Parameters
        ----------
        selection
            Part (start, stop), in seconds from the song's beginning; None for all of the excerpt.
        """
        shown = self.result or self.excerpt
        if shown is not None:
            shown.selection = (selection[0], selection[1]) if selection else None
            self._measure()

    def cancel(self) -> None:
        """Stop the work in progress at the next patch."""
        self._reader.cancel()
        self._work.cancel(spared=_WARM_UP)

    def wait(self) -> None:
        """Wait until everything that was begun is done, scores included."""
        self._work.wait()
        self._reader.wait()
        self._scorer.wait()

    def end(self) -> None:
        """Stop all work, and accept no more; results stay."""
        self._work.close()
        self._reader.close()
        self._scorer.close()

    def close(self) -> None:
        """End the session, and let go of songs, models and results."""
        self.end()
        self.result, self.excerpt, self.models = None, None, {}

    def complete_result(self) -> Result:
        """Return the result, or raise `ParameterError` if there is none."""
        if self.result is None or not self.result.complete:
            raise ParameterError("nothing is separated yet: press Separate", "or call separate()")
        return self.result

    # --- looking at what is chosen --------------------------------------------------------------

    def _read(self, choice: Choice) -> None:
        if self.excerpt is not None and self.excerpt.shows(choice):
            self._reader.drop()
        else:
            self._reader.read(choice)

    def _tell_excerpt(self, excerpt: Excerpt | None) -> None:
        self.excerpt = excerpt
        self._listener.excerpt_changed(excerpt)

    def _tell_status(self, status: Status) -> None:
        self.status = status
        self._listener.status_changed(status)

    # --- separating ---------------------------------------------------------------------------

    def _separate(self, choice: Choice, fail: Callable[[BaseException], object]) -> None:
        self._reader.drop()
        self._reader.wait()
        try:
            self._make_result(choice, fail)
        except BaseException:
            if self.result is None and self._chosen not in (None, choice):
                self._read(self._chosen)  # another song has been chosen meanwhile
            raise
        self.excerpt = None
        give_back()
        self._measure()

    def _make_result(self, choice: Choice, fail: Callable[[BaseException], object]) -> None:
        with self._work.announced(fail):
            give_back()  # explorers that are gone may still hold as much as this one will
            choice.check()
            model = self._find(choice.model)
            rival = self._find(choice.rival, model.targets) if choice.rival else None
            self._work.doing("read the song")
            with self._work.warnings_noted():
                result, run, beside = _prepare(choice, model, rival, self._work.report)
            try:
                self._run(result, run, beside)
                result.complete = True
                self._show(result)
            except BaseException:
                self._drop(result)
                raise

    def _run(self, result: Result, run: Run, beside: Run | None) -> None:
        """Let the networks work, then make all masks and stems with the wanted options."""
        self._work.doing("load the model")
        made: dict[str, Any] | None = None
        if self.result is None:  # a first result is shown as it fills in, a later one when complete
            made = self._fill_in(result, run)
        else:
            run.finish(self._work.report)
        if beside:
            beside.finish(self._work.report)
        settings = result.applicable(self._wanted)
        if settings != made:
            self._make_masks(result, settings)
        result.settings = settings

    def _fill_in(self, result: Result, run: Run) -> dict[str, Any] | None:
        """Show masks and stems while a network works; return the options, if they are final."""
        laboratory, settings = result.laboratory, result.applicable(self._wanted)
        final = laboratory.is_local(**settings)
        if final:
            laboratory.set_options(**settings)
        self._show(result)
        for frames in run.proceed(self._work.report):
            laboratory.remask(frames)
            self._resound(result, frames)
            self._listener.masks_changed(frames)
        return settings if final else None

    def _show(self, result: Result) -> None:
        """Put a result in place of the earlier one, which stays if the listener cannot show it."""
        before, shown, self.result = self.result, self.result or self.excerpt, result
        if shown is not None and result.same_excerpt(shown):
            result.selection = shown.selection
        try:
            self._listener.result_changed(result)
        except BaseException:
            self.result = before
            raise

    def _drop(self, result: Result) -> None:
        """Take away what a first run that failed has shown; the mixture comes back."""
        if self.result is result:
            self.result = None
            if self.excerpt is None:
                self._listener.result_changed(None)
            else:
                self._listener.excerpt_changed(self.excerpt)

    def _find(self, name: str, targets: tuple[str, ...] = TWO_STEMS) -> Model:
        if (name, targets) not in self.models:
            self.models[name, targets] = find(name, targets, progress=self._work.report_fetch)
        return self.models[name, targets]

    def _measure(self) -> None:
        result = self.result
        if result is not None and result.complete:
            self._scorer.measure(result)

    # --- masks --------------------------------------------------------------------------------

    def _remask(self) -> None:
        """Make all masks anew with the wanted options, the selected part first."""
        result = self.result
        if result is None or not result.complete:
            return  # nothing has been separated, or the result is gone
        settings = result.applicable(self._wanted)
        if settings == result.settings:
            return
        with self._work.announced():
            if not self._remake(result, settings):
                return
        self._measure()

    def _remake(self, result: Result, settings: dict[str, Any]) -> bool:
        """Make all masks of a complete result anew; return False as `_make_masks` does."""
        result.settings = None
        if not self._make_masks(result, settings):
            return False
        result.settings = settings
        self._listener.settled(result)
        return True

    def _make_masks(self, result: Result, settings: dict[str, Any]) -> bool:
        """Make masks and stems; return False if other options are wanted meanwhile."""
        laboratory = result.laboratory
        laboratory.set_options(**settings)
        self._work.doing("make masks")
        for frames in laboratory.parts(result.looked_at()):
            self._work.check()
            laboratory.remask(frames)
            self._resound(result, frames)
            if result is self.result:
                self._listener.masks_changed(frames)
            if not result.complete:
                continue
            if self._work.waits("remask", "separate"):
                return False
            # the first part is the one that people look at and hear: let the view ask for its tiles
            self._work.check(PAUSE_SECONDS)
        return True

    def _resound(self, result: Result, frames: slice) -> None:
        samples = result.resound(frames)
        if result is self.result:
            self._listener.sound_changed(samples)

    # --- questions and surgery ------------------------------------------------------------------

    def _ask(
        self, what: str, question: Question, answer: Callable[[Result, Any], object], again: bool
    ) -> None:
        result = self.result
        if result is None or not result.complete:
            return

        def report(done: float, total: float | None, doing: str) -> None:
            self._work.report_share(done, total, doing)
            if again and self._work.waits(*_CHANGES):
                raise _OvertakenError

        with self._work.announced():
            self._work.doing(what)
            try:
                for found in question(result, report):
                    self._work.check()
                    if result is self.result:
                        answer(result, found)
            except _OvertakenError:
                self.ask(what, question, answer, again)

    def _operate(self, surgery: Surgery) -> None:
        result = self.result
        if result is None or not result.complete:
            return
        with self._work.announced():
            self._work.doing("run the network")
            run = surgery.begin(result.mixture, surgery.sample_rate)
            cuts = surgery.gains
            try:
                for _ in run.proceed(self._work.report):
                    if self._work.waits("operate"):
                        return  # more has been cut meanwhile
            except BaseException:
                self._listener.settled(result)  # which is as it was
                raise
            result.laboratory.take(run.separation)
            result.cuts = cuts
            if not self._remake(result, result.applicable(self._wanted)):
                return
        self._measure()

    # --- strokes ------------------------------------------------------------------------------

    def _change(self, change: Change, back: Change) -> None:
        result = self.result
        if result is not None and result.complete:
            self._work.do(lambda: self._edit(result, change, back))

    def _edit(self, result: Result, change: Change, back: Change) -> None:
        """Change the masks, show and play the result at once, then measure it.

        If this is cancelled, `back` takes the change back.
        """
        if result is not self.result:
            return  # another result has taken its place
        editor = result.laboratory.editor
        with self._work.announced():
            was_edited = editor.edited
            frames = change(editor)
            if frames.stop <= frames.start:
                return
            try:
                self._tell_edit(result, frames, was_edited, self._work.check)
            except Cancelled:
                was_edited = editor.edited
                back(editor)
                self._tell_edit(result, frames, was_edited, lambda: None)
                raise
            finally:
                self._listener.settled(result)
        self._measure()

    def _tell_edit(
        self, result: Result, frames: slice, was_edited: bool, check: Callable[[], None]
    ) -> None:
        for part in result.edited_parts(frames, was_edited):
            check()
            self._resound(result, part)
        self._listener.masks_changed(frames)


class _OvertakenError(Exception):
    """A change of the result waits, and goes first."""


def _prepare(
    choice: Choice, model: Model, rival: Model | None, progress: Progress
) -> tuple[Result, Run, Run | None]:
    """Read the song and check everything, before the network runs."""
    mixture, found, repairs = choice.load(model.sample_rate, progress)
    # with as many channels as the mixture will have
    sources = {n: model.prepared(stem, model.sample_rate, n) for n, stem in found.items()}
    references = datasets.known_targets(sources, model.targets)
    run = model.begin(mixture, model.sample_rate, sources)
    beside = rival.begin(mixture, model.sample_rate, sources) if rival else None
    result = Result(
        choice=choice,
        mixture=run.separation.mixture,
        params=run.separation.preset.stft,
        model=model,
        laboratory=Laboratory(run.separation, references),
        rival=beside.separation if beside else None,
        repairs=repairs,
        sources=list(found),
    )
    return result, run, beside
