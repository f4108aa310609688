from .audio import load_audio as load_audio
from .audio import write_audio as write_audio
from .comparison import compare as compare
from .datasets import examples as examples
from .errors import AudioError as AudioError
from .errors import Cancelled as Cancelled
from .errors import MssvizError as MssvizError
from .errors import ParameterError as ParameterError
from .errors import PretrainedError as PretrainedError
from .laboratory import Laboratory as Laboratory
from .mask_editing import MaskEditor as MaskEditor
from .measures import si_sdr as si_sdr
from .metrics import evaluate as evaluate
from .metrics import summarise as summarise
from .pretrained import models as models
from .separate import Separator as Separator
from .separation import Separation as Separation
from .training import train as train
from .widgets.explorer import Explorer as Explorer
from .widgets.explorer import explore as explore
from .widgets.listening_test import ListeningTest as ListeningTest
from .widgets.mixer import Mixer as Mixer
from .widgets.scores import ScoreView as ScoreView
from .widgets.spectrogram import SpectrogramView as SpectrogramView
from .widgets.training_view import TrainingView as TrainingView
from .widgets.upload import Upload as Upload

__version__: str
