"""Weights of other projects, and of Keras, read into our networks.

Each file has one function ``load(model, paths, targets)``, which `networks.table.FORMATS` names.
"""
