"""What xcap-sync is told, by variables that begin with XCAP_SYNC_."""

from typing import ClassVar

from lamplighter_runtime.settings import HttpPort, Instance, ServiceSettings


class Settings(ServiceSettings):
    """Settings of xcap-sync."""

    env_prefix: ClassVar[str] = "XCAP_SYNC_"

    instance: Instance = "xcap-sync-1"
    http_port: HttpPort = 8083
