"""What can go wrong, named as facts.

Every exception that ipml raises on purpose derives from `IpmlError` and builds its own message: one line that says
what was found, what was expected and what to do. The commands print that line and nothing else.

Import them from here; a file for each station holds them.
"""

from ipml.errors.base import IpmlError
from ipml.errors.listings import (
    BadRows,
    InvalidListings,
    MissingColumns,
    UnknownColumns,
    UnreadableFile,
    UnwritableFile,
)
from ipml.errors.model import (
    GoldenMismatch,
    IncomparableListings,
    ModelChanged,
    ModelNotFound,
    NoDriftReference,
    NotAModelFolder,
    SignatureMismatch,
    UnmeasurableScores,
    UnsplittableData,
    UntrustedModel,
    VersionMismatch,
)
from ipml.errors.review import AlreadyDecided, CaseNotFound, ClaimLost, KeyReused, UnknownGround, UnstorableValue
from ipml.errors.scoring import (
    DifferentRun,
    PartFailed,
    PortfoliosOfAnotherModel,
    RunInProgress,
    SourceChanged,
    SparkJobFailed,
    WorkerLost,
)
from ipml.errors.settings import UnusableSetting
from ipml.errors.storage import DatabaseBusy, DatabaseNotEmpty, UnusableBackup, UnusableDatabase, WrongRevision
from ipml.errors.tracking import (
    AlreadyChampion,
    ChampionMoved,
    DifferentTests,
    NoEarlierChampion,
    RunFileMissing,
    TrackingUnavailable,
    UnusableModelName,
)
from ipml.errors.web import (
    AddressInUse,
    ApiKeyNeeded,
    ApiRefused,
    LoginNeeded,
    NoModelYet,
    RoleTooLow,
    TooBusy,
    TooManyListings,
    UnknownRole,
    UnknownUser,
    UnusablePassword,
    UnusableUserName,
    UserExists,
)
from ipml.errors.wording import describe_faults, first_line, hide_password

__all__ = [
    "AddressInUse",
    "AlreadyChampion",
    "AlreadyDecided",
    "ApiKeyNeeded",
    "ApiRefused",
    "BadRows",
    "CaseNotFound",
    "ChampionMoved",
    "ClaimLost",
    "DatabaseBusy",
    "DatabaseNotEmpty",
    "DifferentRun",
    "DifferentTests",
    "GoldenMismatch",
    "IncomparableListings",
    "InvalidListings",
    "IpmlError",
    "KeyReused",
    "LoginNeeded",
    "MissingColumns",
    "ModelChanged",
    "ModelNotFound",
    "NoDriftReference",
    "NoEarlierChampion",
    "NoModelYet",
    "NotAModelFolder",
    "PartFailed",
    "PortfoliosOfAnotherModel",
    "RoleTooLow",
    "RunFileMissing",
    "RunInProgress",
    "SignatureMismatch",
    "SourceChanged",
    "SparkJobFailed",
    "TooBusy",
    "TooManyListings",
    "TrackingUnavailable",
    "UnknownColumns",
    "UnknownGround",
    "UnknownRole",
    "UnknownUser",
    "UnmeasurableScores",
    "UnreadableFile",
    "UnsplittableData",
    "UnstorableValue",
    "UntrustedModel",
    "UnusableBackup",
    "UnusableDatabase",
    "UnusableModelName",
    "UnusablePassword",
    "UnusableSetting",
    "UnusableUserName",
    "UnwritableFile",
    "UserExists",
    "VersionMismatch",
    "WorkerLost",
    "WrongRevision",
    "describe_faults",
    "first_line",
    "hide_password",
]
