from __future__ import annotations

import pyarrow as pa
import pytest
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from buffer.delta_errors import CommitConflict, TableAbsent, translated
from buffer.errors import BufferingError, TableRefused, TableUnavailable

S3 = (
    "Kernel error -> Generic S3 error\n  \x1b[31m\u21b3\x1b[0m Error performing list request\n  \u21b3 403 Forbidden\n"
    '<?xml version="1.0"?>\n<Error><Code>InvalidAccessKeyId</Code></Error>'
)


def raised(error: BaseException) -> BufferingError:
    """Return what the adapter raises for it."""
    with pytest.raises(BufferingError) as caught, translated("s3://bucket/labels"):
        raise error
    return caught.value


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (CommitFailedError("Failed to commit"), CommitConflict, "Failed to commit"),
        (DeltaError("Invalid table version: 403"), CommitConflict, "Invalid table version: 403"),
        (TableNotFoundError("No files in log segment"), TableAbsent, "there is no table (No files in log segment)"),
        (
            TableNotFoundError('Could not create local directory: x\nError: Os { message: "Read-only file system" }'),
            TableUnavailable,
            'Could not create local directory: x: Error: Os { message: "Read-only file system" }',
        ),
        (OSError(S3), TableRefused, "access is denied (InvalidAccessKeyId of the object store)"),
        (OSError(28, "No space left on device"), TableUnavailable, "No space left on device"),
        (DeltaError("x -> y\n  \u21b3 Permission denied (os error 13)"), TableRefused, "x -> y: Permission denied"),
        (DeltaError("`PutMode::Create` not yet implemented by AmazonS3"), TableRefused, "keeps two writers apart"),
        (Exception("External error: disk"), TableUnavailable, "External error: disk"),
        (DeltaError(""), TableUnavailable, "s3://bucket/labels: "),
    ],
)
def test_error_of_the_library_becomes_what_to_do(error: Exception, kind: type[BufferingError], text: str) -> None:
    """The class decides whether a worker waits or stops; the line names the table."""
    ours = raised(error)
    assert (type(ours), "\n" in str(ours), str(ours).startswith("s3://bucket/labels: ")) == (kind, False, True)
    assert text in str(ours)


def test_preview_of_rows_is_not_shown() -> None:
    """The library prints rows below its first line."""
    assert "4929 1234" not in str(raised(DeltaError("Invalid data found\n| card |\n| 4929 1234 |\n   0: <unknown>")))


@pytest.mark.parametrize("error", [TypeError("no"), pa.ArrowInvalid("no"), KeyboardInterrupt()])
def test_mistakes_are_not_dressed_as_trouble_of_the_storage(error: BaseException) -> None:
    """A worker would try them again for ever."""
    with pytest.raises(type(error)), translated("s3://bucket/labels"):
        raise error
