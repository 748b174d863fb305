"""What the HTTP service may use, and whom it lets in."""

from pydantic import BaseModel, ConfigDict, Field

from abintel_pipeline.settings.value_types import Folder, MemorySize, bytes_of


class ServiceSettings(BaseModel):
    """The service's settings."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    credentials_file: Folder | None = Field(
        None,
        description="File of the service's credentials; `abintel credentials add` writes it.",
    )
    service_max_body: MemorySize = Field(
        "200MB", description="Largest body of a request to the service."
    )
    service_large_requests: int = Field(
        2,
        ge=1,
        le=64,
        description="Requests over 1 MB that the service works on at a time; more are told to"
        " come again.",
    )
    service_body_seconds: float = Field(
        10,
        gt=0,
        le=3600,
        description="Seconds in which a body has to arrive, or an answer to be read, and one more"
        " for every 100 kB.",
    )
    service_stop_seconds: int = Field(
        30,
        ge=1,
        le=3600,
        description="Seconds that a stop of the service waits for what was begun.",
    )

    @property
    def max_body_bytes(self) -> int:
        """The largest body of a request as a number of bytes."""
        return int(bytes_of(self.service_max_body))
