/*
 * ntdsbmsg.h - results of the directory backup and restore functions (ntdsbcli.h).
 *
 * Names and values are those of the published header of the same name; layout and words are this project's own.
 * HRESULT must be known before this file is included: ntdsbcli.h sees to that.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef NTDSBCLI_NTDSBMSG_H
#define NTDSBCLI_NTDSBMSG_H

/* The parts of a code: two bits of severity, then a facility, then a number. */
#define FACILITY_SYSTEM 0x0
#define FACILITY_NTDSB 0x800
#define FACILITY_BACKUP 0x7FF

#define STATUS_SEVERITY_SUCCESS 0x0
#define STATUS_SEVERITY_INFORMATIONAL 0x1
#define STATUS_SEVERITY_WARNING 0x2
#define STATUS_SEVERITY_ERROR 0x3

/* Errors of the backup functions themselves. */
#define NTDSBCLI_BACKUP_ERROR(number) ((HRESULT)(0xC7FF0000u | (number)))

/* Errors and warnings of the storage engine: the engine's error -n and its warning n. */
#define NTDSBCLI_ENGINE_ERROR(number) ((HRESULT)(0xC8000000u | (number)))
#define NTDSBCLI_ENGINE_WARNING(number) ((HRESULT)(0x88000000u | (number)))

/* --- The backup functions --- */

/* Success. */
#define hrNone ((HRESULT)0)
/* Not offered. */
#define hrNyi ((HRESULT)0xC0000001u)
/* A parameter is not valid. */
#define hrInvalidParam NTDSBCLI_BACKUP_ERROR(1)
/* An error of the service or of this library itself. */
#define hrError NTDSBCLI_BACKUP_ERROR(2)
/* The context is gone, or no file is open on it. */
#define hrInvalidHandle NTDSBCLI_BACKUP_ERROR(3)
/* A restore is in progress. */
#define hrRestoreInProgress NTDSBCLI_BACKUP_ERROR(4)
/* A file is already open on this handle. */
#define hrAlreadyOpen NTDSBCLI_BACKUP_ERROR(5)
/* A list of recipients is not valid; never returned here. */
#define hrInvalidRecips NTDSBCLI_BACKUP_ERROR(6)
/* The backup service cannot be reached, or the name of the server is malformed. */
#define hrCouldNotConnect NTDSBCLI_BACKUP_ERROR(7)
/* This restore is registered already. */
#define hrRestoreMapExists NTDSBCLI_BACKUP_ERROR(8)
/* Only a full backup is possible. */
#define hrIncrementalBackupDisabled NTDSBCLI_BACKUP_ERROR(9)
/* A log is missing. */
#define hrLogFileNotFound NTDSBCLI_BACKUP_ERROR(10)
/* Circular logging is on. */
#define hrCircularLogging NTDSBCLI_BACKUP_ERROR(11)
/* No full backup has been restored here. */
#define hrNoFullRestore NTDSBCLI_BACKUP_ERROR(12)
/* The connection to the service broke. */
#define hrCommunicationError NTDSBCLI_BACKUP_ERROR(13)
/* A complete full backup must be taken first. */
#define hrFullBackupNotTaken NTDSBCLI_BACKUP_ERROR(14)
/* The restore was prepared without an expiry token. */
#define hrMissingExpiryToken NTDSBCLI_BACKUP_ERROR(15)
/* The expiry token is of an unknown format. */
#define hrUnknownExpiryTokenFormat NTDSBCLI_BACKUP_ERROR(16)
/* The backup is older than the tombstone lifetime. */
#define hrContentsExpired NTDSBCLI_BACKUP_ERROR(17)
/* The service listens already: RPC_S_ALREADY_LISTENING, 1713. */
#define hrAlreadyListening ((HRESULT)1713)

/* --- Files and threads --- */
#define hrFileClose NTDSBCLI_ENGINE_ERROR(102)
#define hrOutOfThreads NTDSBCLI_ENGINE_ERROR(103)
#define hrTooManyIO NTDSBCLI_ENGINE_ERROR(105)

/* --- The buffers of the cache --- */
#define hrBFNotSynchronous NTDSBCLI_ENGINE_WARNING(200)
#define hrBFPageNotFound NTDSBCLI_ENGINE_WARNING(201)
#define hrBFInUse NTDSBCLI_ENGINE_ERROR(202)

/* --- Pages and versions --- */
#define hrPMRecDeleted NTDSBCLI_ENGINE_ERROR(302)
#define hrRemainingVersions NTDSBCLI_ENGINE_WARNING(321)

/* --- Fields of keys --- */
#define hrFLDKeyTooBig NTDSBCLI_ENGINE_WARNING(400)
#define hrFLDTooManySegments NTDSBCLI_ENGINE_ERROR(401)
#define hrFLDNullKey NTDSBCLI_ENGINE_WARNING(402)

/* --- Logs, backup, restore and recovery --- */
#define hrLogFileCorrupt NTDSBCLI_ENGINE_ERROR(501)
#define hrNoBackupDirectory NTDSBCLI_ENGINE_ERROR(503)
#define hrBackupDirectoryNotEmpty NTDSBCLI_ENGINE_ERROR(504)
#define hrBackupInProgress NTDSBCLI_ENGINE_ERROR(505)
#define hrMissingPreviousLogFile NTDSBCLI_ENGINE_ERROR(509)
#define hrLogWriteFail NTDSBCLI_ENGINE_ERROR(510)
#define hrBadLogVersion NTDSBCLI_ENGINE_ERROR(514)
#define hrInvalidLogSequence NTDSBCLI_ENGINE_ERROR(515)
#define hrLoggingDisabled NTDSBCLI_ENGINE_ERROR(516)
#define hrLogBufferTooSmall NTDSBCLI_ENGINE_ERROR(517)
#define hrLogSequenceEnd NTDSBCLI_ENGINE_ERROR(519)
#define hrNoBackup NTDSBCLI_ENGINE_ERROR(520)
#define hrInvalidBackupSequence NTDSBCLI_ENGINE_ERROR(521)
#define hrBackupNotAllowedYet NTDSBCLI_ENGINE_ERROR(523)
#define hrDeleteBackupFileFail NTDSBCLI_ENGINE_ERROR(524)
#define hrMakeBackupDirectoryFail NTDSBCLI_ENGINE_ERROR(525)
#define hrInvalidBackup NTDSBCLI_ENGINE_ERROR(526)
#define hrRecoveredWithErrors NTDSBCLI_ENGINE_ERROR(527)
#define hrMissingLogFile NTDSBCLI_ENGINE_ERROR(528)
#define hrLogDiskFull NTDSBCLI_ENGINE_ERROR(529)
#define hrBadLogSignature NTDSBCLI_ENGINE_ERROR(530)
#define hrBadDbSignature NTDSBCLI_ENGINE_ERROR(531)
#define hrBadCheckpointSignature NTDSBCLI_ENGINE_ERROR(532)
#define hrCheckpointCorrupt NTDSBCLI_ENGINE_ERROR(533)
#define hrDatabaseInconsistent NTDSBCLI_ENGINE_ERROR(550)
#define hrConsistentTimeMismatch NTDSBCLI_ENGINE_ERROR(551)
#define hrPatchFileMismatch NTDSBCLI_ENGINE_ERROR(552)
#define hrRestoreLogTooLow NTDSBCLI_ENGINE_ERROR(553)
#define hrRestoreLogTooHigh NTDSBCLI_ENGINE_ERROR(554)
#define hrGivenLogFileHasBadSignature NTDSBCLI_ENGINE_ERROR(555)
#define hrGivenLogFileIsNotContiguous NTDSBCLI_ENGINE_ERROR(556)
#define hrMissingRestoreLogFiles NTDSBCLI_ENGINE_ERROR(557)
#define hrExistingLogFileHasBadSignature NTDSBCLI_ENGINE_WARNING(558)
#define hrExistingLogFileIsNotContiguous NTDSBCLI_ENGINE_WARNING(559)
#define hrMissingFullBackup NTDSBCLI_ENGINE_ERROR(560)
#define hrBadBackupDatabaseSize NTDSBCLI_ENGINE_ERROR(561)

/* --- The engine as a whole --- */
#define hrTermInProgress NTDSBCLI_ENGINE_ERROR(1000)
#define hrFeatureNotAvailable NTDSBCLI_ENGINE_ERROR(1001)
#define hrInvalidName NTDSBCLI_ENGINE_ERROR(1002)
#define hrInvalidParameter NTDSBCLI_ENGINE_ERROR(1003)
#define hrColumnNull NTDSBCLI_ENGINE_WARNING(1004)
#define hrBufferTruncated NTDSBCLI_ENGINE_WARNING(1006)
#define hrDatabaseAttached NTDSBCLI_ENGINE_WARNING(1007)
#define hrInvalidDatabaseId NTDSBCLI_ENGINE_ERROR(1010)
#define hrOutOfMemory NTDSBCLI_ENGINE_ERROR(1011)
#define hrOutOfDatabaseSpace NTDSBCLI_ENGINE_ERROR(1012)
#define hrOutOfCursors NTDSBCLI_ENGINE_ERROR(1013)
#define hrOutOfBuffers NTDSBCLI_ENGINE_ERROR(1014)
#define hrTooManyIndexes NTDSBCLI_ENGINE_ERROR(1015)
#define hrTooManyKeys NTDSBCLI_ENGINE_ERROR(1016)
#define hrRecordDeleted NTDSBCLI_ENGINE_ERROR(1017)
#define hrReadVerifyFailure NTDSBCLI_ENGINE_ERROR(1018)
#define hrOutOfFileHandles NTDSBCLI_ENGINE_ERROR(1020)
#define hrDiskIO NTDSBCLI_ENGINE_ERROR(1022)
#define hrInvalidPath NTDSBCLI_ENGINE_ERROR(1023)
#define hrRecordTooBig NTDSBCLI_ENGINE_ERROR(1026)
#define hrTooManyOpenDatabases NTDSBCLI_ENGINE_ERROR(1027)
#define hrInvalidDatabase NTDSBCLI_ENGINE_ERROR(1028)
#define hrNotInitialized NTDSBCLI_ENGINE_ERROR(1029)
#define hrAlreadyInitialized NTDSBCLI_ENGINE_ERROR(1030)
#define hrFileAccessDenied NTDSBCLI_ENGINE_ERROR(1032)
#define hrBufferTooSmall NTDSBCLI_ENGINE_ERROR(1038)
#define hrSeekNotEqual NTDSBCLI_ENGINE_WARNING(1039)
#define hrTooManyColumns NTDSBCLI_ENGINE_ERROR(1040)
#define hrContainerNotEmpty NTDSBCLI_ENGINE_ERROR(1043)
#define hrInvalidFilename NTDSBCLI_ENGINE_ERROR(1044)
#define hrInvalidBookmark NTDSBCLI_ENGINE_ERROR(1045)
#define hrColumnInUse NTDSBCLI_ENGINE_ERROR(1046)
#define hrInvalidBufferSize NTDSBCLI_ENGINE_ERROR(1047)
#define hrColumnNotUpdatable NTDSBCLI_ENGINE_ERROR(1048)
#define hrIndexInUse NTDSBCLI_ENGINE_ERROR(1051)
#define hrNullKeyDisallowed NTDSBCLI_ENGINE_ERROR(1053)
#define hrNotInTransaction NTDSBCLI_ENGINE_ERROR(1054)
#define hrNoIdleActivity NTDSBCLI_ENGINE_WARNING(1058)
#define hrTooManyActiveUsers NTDSBCLI_ENGINE_ERROR(1059)
#define hrInvalidCountry NTDSBCLI_ENGINE_ERROR(1061)
#define hrInvalidLanguageId NTDSBCLI_ENGINE_ERROR(1062)
#define hrInvalidCodePage NTDSBCLI_ENGINE_ERROR(1063)
#define hrNoWriteLock NTDSBCLI_ENGINE_WARNING(1067)
#define hrColumnSetNull NTDSBCLI_ENGINE_WARNING(1068)
#define hrVersionStoreOutOfMemory NTDSBCLI_ENGINE_ERROR(1069)
#define hrCurrencyStackOutOfMemory NTDSBCLI_ENGINE_ERROR(1070)

/* --- Sessions and transactions --- */
#define hrOutOfSessions NTDSBCLI_ENGINE_ERROR(1101)
#define hrWriteConflict NTDSBCLI_ENGINE_ERROR(1102)
#define hrTransTooDeep NTDSBCLI_ENGINE_ERROR(1103)
#define hrInvalidSesid NTDSBCLI_ENGINE_ERROR(1104)
#define hrSessionWriteConflict NTDSBCLI_ENGINE_ERROR(1107)
#define hrInTransaction NTDSBCLI_ENGINE_ERROR(1108)

/* --- Databases --- */
#define hrDatabaseDuplicate NTDSBCLI_ENGINE_ERROR(1201)
#define hrDatabaseInUse NTDSBCLI_ENGINE_ERROR(1202)
#define hrDatabaseNotFound NTDSBCLI_ENGINE_ERROR(1203)
#define hrDatabaseInvalidName NTDSBCLI_ENGINE_ERROR(1204)
#define hrDatabaseInvalidPages NTDSBCLI_ENGINE_ERROR(1205)
#define hrDatabaseCorrupted NTDSBCLI_ENGINE_ERROR(1206)
#define hrDatabaseLocked NTDSBCLI_ENGINE_ERROR(1207)

/* --- Tables --- */
#define hrTableEmpty NTDSBCLI_ENGINE_WARNING(1301)
#define hrTableLocked NTDSBCLI_ENGINE_ERROR(1302)
#define hrTableDuplicate NTDSBCLI_ENGINE_ERROR(1303)
#define hrTableInUse NTDSBCLI_ENGINE_ERROR(1304)
#define hrObjectNotFound NTDSBCLI_ENGINE_ERROR(1305)
#define hrCannotRename NTDSBCLI_ENGINE_ERROR(1306)
#define hrDensityInvalid NTDSBCLI_ENGINE_ERROR(1307)
#define hrTableNotEmpty NTDSBCLI_ENGINE_ERROR(1308)
#define hrInvalidTableId NTDSBCLI_ENGINE_ERROR(1310)
#define hrTooManyOpenTables NTDSBCLI_ENGINE_ERROR(1311)
#define hrIllegalOperation NTDSBCLI_ENGINE_ERROR(1312)
#define hrObjectDuplicate NTDSBCLI_ENGINE_ERROR(1314)
#define hrInvalidObject NTDSBCLI_ENGINE_ERROR(1316)

/* --- Indexes --- */
#define hrIndexCantBuild NTDSBCLI_ENGINE_ERROR(1401)
#define hrIndexHasPrimary NTDSBCLI_ENGINE_ERROR(1402)
#define hrIndexDuplicate NTDSBCLI_ENGINE_ERROR(1403)
#define hrIndexNotFound NTDSBCLI_ENGINE_ERROR(1404)
#define hrIndexMustStay NTDSBCLI_ENGINE_ERROR(1405)
#define hrIndexInvalidDef NTDSBCLI_ENGINE_ERROR(1406)
#define hrIndexHasClustered NTDSBCLI_ENGINE_ERROR(1408)
#define hrCreateIndexFailed NTDSBCLI_ENGINE_WARNING(1409)
#define hrTooManyOpenIndexes NTDSBCLI_ENGINE_ERROR(1410)

/* --- Columns --- */
#define hrColumnLong NTDSBCLI_ENGINE_ERROR(1501)
#define hrColumnDoesNotFit NTDSBCLI_ENGINE_ERROR(1503)
#define hrNullInvalid NTDSBCLI_ENGINE_ERROR(1504)
#define hrColumnIndexed NTDSBCLI_ENGINE_ERROR(1505)
#define hrColumnTooBig NTDSBCLI_ENGINE_ERROR(1506)
#define hrColumnNotFound NTDSBCLI_ENGINE_ERROR(1507)
#define hrColumnDuplicate NTDSBCLI_ENGINE_ERROR(1508)
#define hrColumn2ndSysMaint NTDSBCLI_ENGINE_ERROR(1510)
#define hrInvalidColumnType NTDSBCLI_ENGINE_ERROR(1511)
#define hrColumnMaxTruncated NTDSBCLI_ENGINE_WARNING(1512)
#define hrColumnCannotIndex NTDSBCLI_ENGINE_ERROR(1513)
#define hrTaggedNotNULL NTDSBCLI_ENGINE_ERROR(1514)
#define hrNoCurrentIndex NTDSBCLI_ENGINE_ERROR(1515)
#define hrKeyIsMade NTDSBCLI_ENGINE_ERROR(1516)
#define hrBadColumnId NTDSBCLI_ENGINE_ERROR(1517)
#define hrBadItagSequence NTDSBCLI_ENGINE_ERROR(1518)
#define hrCannotBeTagged NTDSBCLI_ENGINE_ERROR(1521)

/* --- Records and keys --- */
#define hrRecordNotFound NTDSBCLI_ENGINE_ERROR(1601)
#define hrNoCurrentRecord NTDSBCLI_ENGINE_ERROR(1603)
#define hrRecordClusteredChanged NTDSBCLI_ENGINE_ERROR(1604)
#define hrKeyDuplicate NTDSBCLI_ENGINE_ERROR(1605)
#define hrAlreadyPrepared NTDSBCLI_ENGINE_ERROR(1607)
#define hrKeyNotMade NTDSBCLI_ENGINE_ERROR(1608)
#define hrUpdateNotPrepared NTDSBCLI_ENGINE_ERROR(1609)
#define hrwrnDataHasChanged NTDSBCLI_ENGINE_WARNING(1610)
#define hrerrDataHasChanged NTDSBCLI_ENGINE_ERROR(1611)
#define hrKeyChanged NTDSBCLI_ENGINE_WARNING(1618)

/* --- Sorts --- */
#define hrTooManySorts NTDSBCLI_ENGINE_ERROR(1701)
#define hrInvalidOnSort NTDSBCLI_ENGINE_ERROR(1702)

/* --- Files of databases --- */
#define hrTempFileOpenError NTDSBCLI_ENGINE_ERROR(1803)
#define hrTooManyAttachedDatabases NTDSBCLI_ENGINE_ERROR(1805)
#define hrDiskFull NTDSBCLI_ENGINE_ERROR(1808)
#define hrPermissionDenied NTDSBCLI_ENGINE_ERROR(1809)
#define hrFileNotFound NTDSBCLI_ENGINE_ERROR(1811)
#define hrFileOpenReadOnly NTDSBCLI_ENGINE_WARNING(1813)

/* --- Configuration and access --- */
#define hrAfterInitialization NTDSBCLI_ENGINE_ERROR(1850)
#define hrLogCorrupted NTDSBCLI_ENGINE_ERROR(1852)
#define hrInvalidOperation NTDSBCLI_ENGINE_ERROR(1906)
#define hrAccessDenied NTDSBCLI_ENGINE_ERROR(1907)

#endif
