"""What stops a client. Each message is one line that says what is wrong, and what to do about it."""

from __future__ import annotations


class MftError(Exception):
    """The base of all errors that this package raises."""


class SettingsError(MftError):
    """The settings cannot be used; the message names the file, the entry, its value and the remedy."""


class NameRefusedError(MftError, ValueError):
    """A name under which the platform could not deliver a file."""


class NoRecordError(MftError, LookupError):
    """No resolver gives a bucket record; the message names the record and says what each one answered."""


class RecordRefusedError(MftError):
    """DNS names a bucket or a region that the settings do not; nothing is sent there."""


class MovedError(MftError):
    """The name has moved to another bucket while a file was on its way to the old one."""


class UploadRefusedError(MftError):
    """S3 does not accept the file, however often it is sent; the message says where and why."""


class CredentialsError(MftError):
    """There are no AWS credentials, or AWS does not accept them; the message says how to give some."""


class NotAcknowledgedError(MftError):
    """No region has acknowledged the file; the message has the error of the last try."""


class FileChangedError(MftError):
    """A file is gone, has changed since it was sent, or changes while it is sent; the message names it."""


class ClaimedError(MftError):
    """Another process that uses the same journal is sending a file under this name."""


class JournalError(MftError):
    """A journal cannot be read or written, or is another customer's; the message names the file."""


class MessageError(MftError):
    """Something that is not a receipt or a notice for this client; the message says what is wrong with it."""
