"""The hatchling hook: the wheel carries the built pages, so that installing it needs no Node."""

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ViewerBuild(BuildHookInterface[Any]):
    """Builds viewer/dist before the package is put together."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        viewer = Path(self.root) / "viewer"
        sys.path.insert(0, self.root)
        from viewer.build import BuildFailed, build

        try:
            build(viewer, say=self.app.display_info)
        except BuildFailed as error:
            self.app.abort(str(error))
        build_data["artifacts"].append("viewer/dist")
