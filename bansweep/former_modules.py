"""Modules of bansweep under the names that they had in earlier versions, for user code.

Records hold user code as it was written, and its text is part of ids. So it must run as long as its store is used.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from types import ModuleType

FORMER_MODULES = {
    f"bansweep.{former}": f"bansweep.{module}"
    for module, formers in {
        "config.base": "spec.model spec.signed_zeros",
        "config.chain": "spec.chain spec.chain_columns",
        "config.consistency": "spec.kinds spec.matching spec.references",
        "config.data": "spec.data spec.text_data",
        "config.densenet": "spec.densenet",
        "config.hyperparameters": "spec.distributions spec.hyperparameters",
        "config.language_networks": "spec.language_networks",
        "config.limits": "spec.limits",
        "config.losses": "spec.losses",
        "config.network_names": "spec.network_names",
        "config.networks": "spec.networks spec.own_network",
        "config.paper_networks": "spec.paper_networks",
        "config.reading": "spec.reading",
        "config.recipes": "spec.recipes",
        "config.rehearsal": "spec.rehearsal",
        "config.residual_networks": "spec.residual_networks spec.residual_student",
        "config.resources": "spec.resources",
        "config.search": "spec.search",
        "config.search_problems": "spec.searched_values spec.searching",
        "config.sweep": "spec.budget spec.selection spec.sweep",
        "config.user_code": "spec.own_code",
        "config.yaml_document": "spec.document",
        "data.augmentation": "data.sampling",
        "data.cache": "data.file_digests",
        "data.datasets": "data.images data.suitability data.text",
        "data.decoded": "data.canonical",
        "data.fingerprint": "data.content_digests",
        "data.prepare": "data.builder",
        "data.prepared": "data.channel_statistics data.prepared_images data.prepared_text data.saving",
        "data.source_files": "data.text_files",
        "data.sources.cifar_archive": "data.sources.plain_pickle",
        "data.sources.image_folder": "data.sources.encoded data.sources.folder",
        "data.sources.parquet": "data.sources.parquet_files",
        "data.sources.text": "data.sources.ptb",
        "data.sources.user_images": "data.sources.own_images",
        "data.splits": "data.token_counts",
        "losses.building_blocks": "losses.answer losses.cross_entropy losses.probabilities losses.weighted_mean",
        "losses.user_loss": "losses.own_loss",
        "networks.build": "networks.builder",
        "networks.cnn_lstm": "networks.spelling",
        "networks.counting": "networks.operations networks.paper_counts",
        "networks.image_network": (
            "networks.initialisation networks.own_network networks.recomputation networks.stage networks.staged"
        ),
        "networks.language_model": "networks.lstm",
        "networks.residual_networks": "networks.pre_resnet networks.residual_student networks.wide_resnet",
        "training.kd_gradient": "losses.gradient_parts",
        "graph.candidates": "plan.candidates",
        "graph.chains": "plan.chains",
        "graph.cost": "plan.cost plan.gpu_time",
        "graph.events": "plan.events",
        "graph.expand": "plan.expand plan.stored_ids",
        "graph.generation": "plan.generation plan.seeds",
        "graph.operations": "plan.operations",
        "graph.plan": "plan.plan plan.selection",
        "graph.results": "plan.comparison",
        "graph.workload": "plan.workload",
    }.items()
    for former in formers.split()
}
FORMER_NAMES = {
    "Answer": "NetworkOutput",
    "OwnCode": "UserCode",
    "OwnImages": "UserImages",
    "OwnLoss": "UserLoss",
    "OwnNetwork": "UserNetwork",
    "OwnObject": "UserObject",
    "decode_own": "decode_user_images",
    "own_loss": "user_loss",
}


def provide_former_modules(name: str, names: Iterable[str]) -> None:
    """Make `import NAME` and `from NAME import NAMES` work where they use former modules. `names` may be empty.

    Side effects: adds modules that forward to today's ones, and their packages, to `sys.modules`.
    """
    for wanted in (name, *(f"{name}.{one}" for one in names)):
        if wanted in FORMER_MODULES and wanted not in sys.modules:
            package, _, last = wanted.rpartition(".")
            setattr(_package(package), last, _forwarding(wanted, FORMER_MODULES[wanted]))


def _forwarding(name: str, target: str) -> ModuleType:
    current = __import__(target, fromlist=("",))

    def look_up(attribute: str) -> object:
        return getattr(current, FORMER_NAMES.get(attribute, attribute))

    module = sys.modules[name] = ModuleType(name, current.__doc__)
    module.__getattr__ = look_up  # type: ignore[method-assign]
    return module


def _package(name: str) -> ModuleType:
    """A package that is there, or an empty one in place of one that was renamed."""
    try:
        return __import__(name, fromlist=("",))
    except ModuleNotFoundError:
        package = sys.modules[name] = ModuleType(name)
        package.__path__ = []
        above, _, last = name.rpartition(".")
        setattr(_package(above), last, package)
        return package
