"""Rows of the video files as the files had them: loaded (bronze) and refused (quarantine).

Belongs here: the five data sets of a landing folder. Does not belong here: cleaned rows (`video_silver.py`), how files
are read (`media_analytics/video_files`).
"""

from pandera.pandas import DataFrameModel

from media_analytics.contracts.rules import (
    Bool,
    Day,
    Float64,
    Instant,
    Int32,
    Int64,
    Text,
    TextList,
    TextMap,
    column,
)

BATCH = 64
# The data sets of a landing folder, catalogues first.
DATASETS = ("assets", "devices", "geo", "delivery", "metrics")
FACTS = ("delivery", "metrics")
FILE_ROW = ("source_file", "row_number")
_REASONS = "Why the row was refused: `rule:column`."


class Row(DataFrameModel):
    """Where a row of a file came from."""

    source_file: Text = column("Address of the file.", provenance=True)
    row_number: Int64 = column("Number of the row in the file, from 1.", provenance=True, ge=1)
    batch_id: Text = column("Files that were loaded together.", provenance=True, longest=BATCH)
    loaded_at: Instant = column("When the file was loaded.", provenance=True)


class RawRow(Row):
    """A row of a file, unchanged."""

    unparsed: TextMap = column(
        "Values that are not of their column's type, as the file had them.", nullable=True
    )

    class Config:
        """A row of a file is known by its place."""

        strict = True
        unique = FILE_ROW


class RawAsset(RawRow):
    """An asset as a catalogue file says it."""

    asset_id: Text = column("The asset.", nullable=True)
    title: Text = column("Title.", nullable=True)
    asset_type: Text = column("What kind of asset it is.", nullable=True)
    brand: Text = column("The publication.", nullable=True)
    section: Text = column("Section of the brand.", nullable=True)
    duration_seconds: Int32 = column("Length.", nullable=True)
    published_at: Instant = column("When it was published.", nullable=True)
    is_premium: Bool = column("Whether it is for subscribers only.", nullable=True)
    updated_at: Instant = column("When the catalogue changed it.", nullable=True)


class RawDevice(RawRow):
    """A device as a catalogue file says it."""

    device_id: Text = column("The device.", nullable=True)
    device_type: Text = column("What kind of device it is.", nullable=True)
    platform: Text = column("Player or app platform.", nullable=True)
    os: Text = column("Operating system.", nullable=True)
    os_version: Text = column("Its version.", nullable=True)
    manufacturer: Text = column("Who made it.", nullable=True)
    screen_width: Int32 = column("Pixels.", nullable=True)
    screen_height: Int32 = column("Pixels.", nullable=True)
    updated_at: Instant = column("When the catalogue changed it.", nullable=True)


class RawGeo(RawRow):
    """A place as a catalogue file says it."""

    geo_id: Text = column("The place.", nullable=True)
    country_code: Text = column("Country, ISO 3166 alpha-2.", nullable=True)
    country: Text = column("Name of the country.", nullable=True)
    region: Text = column("Region.", nullable=True)
    city: Text = column("City.", nullable=True)
    timezone: Text = column("Time zone.", nullable=True)
    updated_at: Instant = column("When the catalogue changed it.", nullable=True)


class RawDelivery(RawRow):
    """A delivery request as a file says it."""

    delivery_id: Text = column("The request.", nullable=True)
    date: Day = column("UTC date of the request.", nullable=True)
    requested_at: Instant = column("When it was requested.", nullable=True)
    asset_id: Text = column("The asset.", nullable=True)
    device_id: Text = column("The device.", nullable=True)
    geo_id: Text = column("The place.", nullable=True)
    cdn: Text = column("Content delivery network.", nullable=True)
    edge_location: Text = column("Edge that answered.", nullable=True)
    protocol: Text = column("Streaming protocol.", nullable=True)
    http_status: Int32 = column("HTTP status of the answer.", nullable=True)
    cache_status: Text = column("What the edge's cache did.", nullable=True)
    bytes_sent: Int64 = column("Bytes of the answer.", nullable=True)
    response_ms: Int32 = column("Time to the answer.", nullable=True)
    startup_ms: Int32 = column("Time to the first picture.", nullable=True)
    played_ms: Int64 = column("Time played.", nullable=True)
    rebuffer_count: Int32 = column("Interruptions.", nullable=True)
    rebuffer_ms: Int64 = column("Time interrupted.", nullable=True)
    bitrate_kbps: Int32 = column("Bit rate.", nullable=True)
    error_code: Text = column("Error of the player.", nullable=True)


class RawMetrics(RawRow):
    """Daily use as a file says it."""

    date: Day = column("UTC date.", nullable=True)
    asset_id: Text = column("The asset.", nullable=True)
    device_id: Text = column("The device.", nullable=True)
    geo_id: Text = column("The place.", nullable=True)
    impressions: Int64 = column("Times it was shown.", nullable=True)
    plays: Int64 = column("Times it was started.", nullable=True)
    completions: Int64 = column("Times it was played to the end.", nullable=True)
    watch_seconds: Float64 = column("Time watched.", nullable=True)
    likes: Int64 = column("Likes.", nullable=True)
    shares: Int64 = column("Shares.", nullable=True)
    ad_revenue_eur: Float64 = column("Revenue of advertisements.", nullable=True)


class RefusedAsset(RawAsset):
    """An asset of a catalogue file that was refused, unchanged."""

    reasons: TextList = column(_REASONS)


class RefusedDevice(RawDevice):
    """A device of a catalogue file that was refused, unchanged."""

    reasons: TextList = column(_REASONS)


class RefusedGeo(RawGeo):
    """A place of a catalogue file that was refused, unchanged."""

    reasons: TextList = column(_REASONS)


class RefusedDelivery(RawDelivery):
    """A delivery request of a file that was refused, unchanged."""

    reasons: TextList = column(_REASONS)


class RefusedMetrics(RawMetrics):
    """Daily use of a file that was refused, unchanged."""

    reasons: TextList = column(_REASONS)
