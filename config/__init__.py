"""The settings of web process and worker, and the only subject of both that reads the environment.

A value comes from the environment, else from `.env`, else from the file that `NAME_FILE` names, else from the default.
An invalid value stops the start with a message that names the variable and its valid values. To add a setting, add a
field to the module of its subject.
"""

from config.apis import ApiAccess
from config.environment import ConfigError, load, stop
from config.fields import DIALECTS, LADDER, TrustedHeader
from config.settings import Settings
from config.spelling import ENGINE_VARIABLES, internal_targets, unknown_variables, without_effect

__all__ = [
    "DIALECTS",
    "ENGINE_VARIABLES",
    "LADDER",
    "ApiAccess",
    "ConfigError",
    "Settings",
    "TrustedHeader",
    "internal_targets",
    "load",
    "stop",
    "unknown_variables",
    "without_effect",
]
