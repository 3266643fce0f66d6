"""Tables of the video files: rows as they were in the files (bronze), cleaned (silver), and refused (quarantine).

Belongs here: the five data sets of a landing folder in each of the three layers. Does not belong here: marts
(`video_gold.py`), how files are read (`media_analytics/video_files`), cleaning
(`spark_jobs/transforms/video_files.py`).
"""

from datetime import timedelta

from pandera.pandas import DataFrameModel

from media_analytics.contracts.model import Daily, Freshness, Full, Partitioning, TableContract
from media_analytics.contracts.rules import (
    EARLIEST_DAY,
    LATEST_DAY,
    SHA256,
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
    not_greater,
)

DEVICE_TYPES = ("phone", "tablet", "desktop", "tv", "console", "other")
COUNTRY = r"^[A-Z][A-Z]$"
BATCH = 64
# The data sets of a landing folder, catalogues first.
DATASETS = ("assets", "devices", "geo", "delivery", "metrics")
FACTS = ("delivery", "metrics")
_FILE_ROW = ("source_file", "row_number")


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


class AssetFields(RawRow):
    """What a file says of an asset."""

    asset_id: Text = column("The asset.", nullable=True)
    title: Text = column("Title.", nullable=True)
    asset_type: Text = column("What kind of asset it is.", nullable=True)
    brand: Text = column("The publication.", nullable=True)
    section: Text = column("Section of the brand.", nullable=True)
    duration_seconds: Int32 = column("Length.", nullable=True)
    published_at: Instant = column("When it was published.", nullable=True)
    is_premium: Bool = column("Whether it is for subscribers only.", nullable=True)
    updated_at: Instant = column("When the catalogue changed it.", nullable=True)


class DeviceFields(RawRow):
    """What a file says of a device."""

    device_id: Text = column("The device.", nullable=True)
    device_type: Text = column("What kind of device it is.", nullable=True)
    platform: Text = column("Player or app platform.", nullable=True)
    os: Text = column("Operating system.", nullable=True)
    os_version: Text = column("Its version.", nullable=True)
    manufacturer: Text = column("Who made it.", nullable=True)
    screen_width: Int32 = column("Pixels.", nullable=True)
    screen_height: Int32 = column("Pixels.", nullable=True)
    updated_at: Instant = column("When the catalogue changed it.", nullable=True)


class GeoFields(RawRow):
    """What a file says of a place."""

    geo_id: Text = column("The place.", nullable=True)
    country_code: Text = column("Country, ISO 3166 alpha-2.", nullable=True)
    country: Text = column("Name of the country.", nullable=True)
    region: Text = column("Region.", nullable=True)
    city: Text = column("City.", nullable=True)
    timezone: Text = column("Time zone.", nullable=True)
    updated_at: Instant = column("When the catalogue changed it.", nullable=True)


class DeliveryFields(RawRow):
    """What a file says of one delivery request."""

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


class MetricsFields(RawRow):
    """What a file says of the use of an asset on a device at a place on a date."""

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


class RawAsset(AssetFields):
    """An asset as a catalogue file says it."""

    class Config:
        """One row per row of a file."""

        strict = True
        unique = _FILE_ROW


class RawDevice(DeviceFields):
    """A device as a catalogue file says it."""

    class Config:
        """One row per row of a file."""

        strict = True
        unique = _FILE_ROW


class RawGeo(GeoFields):
    """A place as a catalogue file says it."""

    class Config:
        """One row per row of a file."""

        strict = True
        unique = _FILE_ROW


class RawDelivery(DeliveryFields):
    """A delivery request as a file says it."""

    class Config:
        """One row per row of a file."""

        strict = True
        unique = _FILE_ROW


class RawMetrics(MetricsFields):
    """Daily use as a file says it."""

    class Config:
        """One row per row of a file."""

        strict = True
        unique = _FILE_ROW


_REASONS = "Why the row was refused: `rule:column`."


class RefusedAsset(AssetFields):
    """An asset of a catalogue file that was refused, unchanged."""

    reasons: TextList = column(_REASONS)

    class Config:
        """One row per refused row of a file."""

        strict = True
        unique = _FILE_ROW


class RefusedDevice(DeviceFields):
    """A device of a catalogue file that was refused, unchanged."""

    reasons: TextList = column(_REASONS)

    class Config:
        """One row per refused row of a file."""

        strict = True
        unique = _FILE_ROW


class RefusedGeo(GeoFields):
    """A place of a catalogue file that was refused, unchanged."""

    reasons: TextList = column(_REASONS)

    class Config:
        """One row per refused row of a file."""

        strict = True
        unique = _FILE_ROW


class RefusedDelivery(DeliveryFields):
    """A delivery request of a file that was refused, unchanged."""

    reasons: TextList = column(_REASONS)

    class Config:
        """One row per refused row of a file."""

        strict = True
        unique = _FILE_ROW


class RefusedMetrics(MetricsFields):
    """Daily use of a file that was refused, unchanged."""

    reasons: TextList = column(_REASONS)

    class Config:
        """One row per refused row of a file."""

        strict = True
        unique = _FILE_ROW


class Asset(Row):
    """An asset, as its latest good version says it."""

    asset_id: Text = column("The asset.", str_length={"min_value": 1})
    title: Text = column("Title.", nullable=True)
    asset_type: Text = column("What kind of asset it is, lower case.", nullable=True)
    brand: Text = column("The publication, lower case.", nullable=True)
    section: Text = column("Section of the brand, lower case.", nullable=True)
    duration_seconds: Int32 = column("Length.", nullable=True, ge=0)
    published_at: Instant = column("When it was published.", nullable=True)
    is_premium: Bool = column("Whether it is for subscribers only.", nullable=True)
    updated_at: Instant = column("When the catalogue changed it.", nullable=True)

    class Config:
        """One row per asset id."""

        strict = True
        unique = ("asset_id",)


class Device(Row):
    """A device, as its latest good version says it."""

    device_id: Text = column("The device.", str_length={"min_value": 1})
    device_type: Text = column("What kind of device it is.", isin=DEVICE_TYPES)
    platform: Text = column("Player or app platform.", nullable=True)
    os: Text = column("Operating system.", nullable=True)
    os_version: Text = column("Its version.", nullable=True)
    manufacturer: Text = column("Who made it.", nullable=True)
    screen_width: Int32 = column("Pixels.", nullable=True, ge=0)
    screen_height: Int32 = column("Pixels.", nullable=True, ge=0)
    updated_at: Instant = column("When the catalogue changed it.", nullable=True)

    class Config:
        """One row per device id."""

        strict = True
        unique = ("device_id",)


class Geo(Row):
    """A place, as its latest good version says it."""

    geo_id: Text = column("The place.", str_length={"min_value": 1})
    country_code: Text = column("Country, ISO 3166 alpha-2; ZZ when it is none of them.", str_matches=COUNTRY)
    country: Text = column("Name of the country.", nullable=True)
    region: Text = column("Region.", nullable=True)
    city: Text = column("City.", nullable=True)
    timezone: Text = column("Time zone.", nullable=True)
    updated_at: Instant = column("When the catalogue changed it.", nullable=True)

    class Config:
        """One row per geo id."""

        strict = True
        unique = ("geo_id",)


class Delivery(Row):
    """A delivery request, once."""

    delivery_id: Text = column("The request.", str_length={"min_value": 1})
    date: Day = column("UTC date of the request.", ge=EARLIEST_DAY, le=LATEST_DAY)
    requested_at: Instant = column("When it was requested.")
    asset_id: Text = column("The asset.", nullable=True)
    device_id: Text = column("The device.", nullable=True)
    geo_id: Text = column("The place.", nullable=True)
    cdn: Text = column("Content delivery network, lower case.", nullable=True)
    edge_location: Text = column("Edge that answered.", nullable=True)
    protocol: Text = column("Streaming protocol, lower case.", nullable=True)
    http_status: Int32 = column("HTTP status of the answer.", ge=100, le=599)
    cache_status: Text = column("What the edge's cache did, upper case.", nullable=True)
    bytes_sent: Int64 = column("Bytes of the answer.", nullable=True, ge=0)
    response_ms: Int32 = column("Time to the answer.", nullable=True, ge=0)
    startup_ms: Int32 = column("Time to the first picture.", nullable=True, ge=0)
    played_ms: Int64 = column("Time played.", nullable=True, ge=0)
    rebuffer_count: Int32 = column("Interruptions.", nullable=True, ge=0)
    rebuffer_ms: Int64 = column("Time interrupted.", nullable=True, ge=0)
    bitrate_kbps: Int32 = column("Bit rate.", nullable=True, ge=0)
    error_code: Text = column("Error of the player.", nullable=True)

    class Config:
        """One row per delivery id among requests at most 7 days apart."""

        strict = True
        unique = ("date", "delivery_id")


class Metrics(Row):
    """The use of an asset on a device at a place on a date, once."""

    date: Day = column("UTC date.", ge=EARLIEST_DAY, le=LATEST_DAY)
    asset_id: Text = column("The asset.", str_length={"min_value": 1})
    device_id: Text = column("The device.", str_length={"min_value": 1})
    geo_id: Text = column("The place.", str_length={"min_value": 1})
    impressions: Int64 = column("Times it was shown.", nullable=True, ge=0)
    plays: Int64 = column("Times it was started.", nullable=True, ge=0)
    completions: Int64 = column("Times it was played to the end.", nullable=True, ge=0)
    watch_seconds: Float64 = column("Time watched.", nullable=True, ge=0)
    likes: Int64 = column("Likes.", nullable=True, ge=0)
    shares: Int64 = column("Shares.", nullable=True, ge=0)
    ad_revenue_eur: Float64 = column("Revenue of advertisements.", nullable=True, ge=0)

    completions_are_plays = not_greater("completions", "plays")

    class Config:
        """One row per date, asset, device and place."""

        strict = True
        unique = ("date", "asset_id", "device_id", "geo_id")


class LoadedFile(DataFrameModel):
    """A version of a file in a landing folder, and what became of it."""

    source_file: Text = column("Address of the file.")
    content_sha256: Text = column("SHA-256 of its bytes.", str_matches=SHA256)
    dataset: Text = column("Data set the file belongs to.", isin=DATASETS)
    folder_date: Day = column("Date in the folder's name.", nullable=True)
    status: Text = column("Whether its rows stand in bronze.", isin=("loaded", "blocked"))
    message: Text = column("Why it was blocked, with the fix.", nullable=True)
    rows: Int64 = column("Rows of the file.", ge=0)
    unparsed_rows: Int64 = column("Rows with a value that did not parse.", ge=0)
    unknown_columns: TextList = column("Columns of the file that no contract knows; they are kept.")
    batch_id: Text = column("Files that were loaded together.", provenance=True, longest=BATCH)
    run_id: Text = column("Dagster's run.", provenance=True)
    loaded_date: Day = column(
        "Date of loaded_at.", derived_from="loaded_at", provenance=True, ge=EARLIEST_DAY, le=LATEST_DAY
    )
    loaded_at: Instant = column("When it was loaded or blocked.", provenance=True)

    class Config:
        """One row per file, content and load."""

        strict = True
        unique = ("source_file", "content_sha256", "loaded_at")


class Maintenance(DataFrameModel):
    """What maintenance did to a video table."""

    table: Text = column("Table that was maintained.", longest=256)
    run_id: Text = column("Dagster's run.")
    version: Int64 = column("Delta version after it.", ge=0)
    compacted_dates: Int64 = column("Dates written anew in order; 1 for a table without dates.", ge=0)
    deleted_files: Int64 = column("Files that no version of the last 7 days needs.", ge=0)
    files_before: Int64 = column("Files of the newest version before.", ge=0)
    files_after: Int64 = column("Files of the newest version after.", ge=0)
    size_bytes_before: Int64 = column("Their bytes before.", ge=0)
    size_bytes_after: Int64 = column("Their bytes after.", ge=0)
    day_files_before: Int64 = column("Files that a query of the newest date reads, before.", ge=0)
    day_files_after: Int64 = column("Files that a query of the newest date reads, after.", ge=0)
    day_bytes_before: Int64 = column("Bytes that a query of the newest date reads, before.", ge=0)
    day_bytes_after: Int64 = column("Bytes that a query of the newest date reads, after.", ge=0)
    maintained_date: Day = column(
        "Date of maintained_at.", derived_from="maintained_at", ge=EARLIEST_DAY, le=LATEST_DAY
    )
    maintained_at: Instant = column("When.", provenance=True)

    class Config:
        """One row per table and run."""

        strict = True
        unique = ("table", "run_id")


_CATALOGUE = Full("the latest version of an id can be in any file")
_DAY = timedelta(days=1)


def _contract(
    layer: str,
    name: str,
    model: type[DataFrameModel],
    sort_keys: tuple[str, ...],
    partitioning: Partitioning,
    *,
    keeps_unknown_columns: bool = False,
) -> TableContract:
    return TableContract(
        layer=layer,
        name=name,
        grain=f"{(model.__doc__ or '').strip()} {(model.Config.__doc__ or '').strip()}",
        model=model,
        partitioning=partitioning,
        sort_keys=sort_keys,
        freshness=Freshness(warn=2 * _DAY, fail=3 * _DAY),
        refresh_interval=_DAY,
        owner="team:video-analytics",
        store="delta",
        writer="spark-connect",
        keeps_unknown_columns=keeps_unknown_columns,
    )


_MODELS: dict[str, tuple[type[DataFrameModel], type[DataFrameModel], type[DataFrameModel]]] = {
    "assets": (RawAsset, RefusedAsset, Asset),
    "devices": (RawDevice, RefusedDevice, Device),
    "geo": (RawGeo, RefusedGeo, Geo),
    "delivery": (RawDelivery, RefusedDelivery, Delivery),
    "metrics": (RawMetrics, RefusedMetrics, Metrics),
}


def _sort_keys(name: str, clean: type[DataFrameModel]) -> tuple[str, ...]:
    """What files are ordered by: queries of deliveries ask for assets, hardly ever for one request."""
    return ("date", "asset_id") if name == "delivery" else tuple(clean.to_schema().unique or ())


def _partitioning(name: str) -> Partitioning:
    return Daily("date", stored="date") if name in FACTS else _CATALOGUE


CONTRACTS = (
    *(
        _contract("bronze", f"raw_{name}", raw, _FILE_ROW, _partitioning(name), keeps_unknown_columns=True)
        for name, (raw, _, _) in _MODELS.items()
    ),
    *(
        _contract("quarantine", name, refused, _FILE_ROW, _partitioning(name))
        for name, (_, refused, _) in _MODELS.items()
    ),
    *(
        _contract("silver", name, clean, _sort_keys(name, clean), _partitioning(name))
        for name, (_, _, clean) in _MODELS.items()
    ),
    _contract(
        "ops",
        "video_files",
        LoadedFile,
        ("loaded_at", "source_file"),
        Daily("loaded_date", stored="loaded_date"),
    ),
    _contract(
        "ops",
        "video_maintenance",
        Maintenance,
        ("table", "maintained_at"),
        Daily("maintained_date", stored="maintained_date"),
    ),
)
