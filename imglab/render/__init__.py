"""Pages as the systems that imglab reads publish them, written from what the store knows."""

from imglab.render.repo_info import PLATFORMS_COUNTED_SINCE, repo_info
from imglab.render.supported_tags import supported_tags
from imglab.render.tags_history import tags_history

__all__ = ["PLATFORMS_COUNTED_SINCE", "repo_info", "supported_tags", "tags_history"]
