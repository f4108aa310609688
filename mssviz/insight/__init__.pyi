from . import evidence as evidence
from . import surgery as surgery
from .evidence import Evidence as Evidence
from .evidence import MaskBin as MaskBin
from .surgery import Surgery as Surgery
