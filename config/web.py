"""How the web process is reached, and what it shows."""

import sys
from pathlib import Path
from typing import Literal

from pydantic import Field

from config.fields import BaseURL, SettingsPart, seconds


class WebSettings(SettingsPart):
    port: int = Field(8000, ge=1, le=65535, description="a port from 1 to 65535")
    web_host: str = Field("127.0.0.1", description="an address to listen on")
    web_concurrency: int = Field(2, ge=1, le=64, description="a number of processes from 1 to 64")
    web_connections: int = Field(1000, ge=2, le=10000, description="a number of connections from 2 to 10000")
    client_timeout: float = seconds(60, 1, 600)
    public_url: BaseURL | None = Field(
        None, description="the http:// or https:// URL by which callers reach the service"
    )
    placeholder_dir: Path | None = Field(None, description="the path of a folder of pictures")
    templates_dir: Path | None = Field(
        None, description="the path of a folder of templates of cards, each in a folder of its own"
    )
    playground: bool = Field(default=True, description="true or false")
    gallery_public: bool = Field(default=False, description="true or false")
    log_format: Literal["json", "console"] = Field(
        default_factory=lambda: "console" if sys.stderr.isatty() else "json", description="json or console"
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="DEBUG, INFO, WARNING or ERROR")
