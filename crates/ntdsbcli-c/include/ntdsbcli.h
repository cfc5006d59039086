/*
 * ntdsbcli.h - the directory backup and restore functions, for C and C++ on Linux and Windows.
 *
 * Names, values and layouts are those of the published header of the same name; layout and words are this project's
 * own. What is beyond the published functions stands at the end, under "Beyond the published functions".
 * docs/conformance.md lists what each function returns on what condition.
 *
 * In short:
 *  - Results are S_OK, a code of ntdsbmsg.h, or a plain Win32 code such as ERROR_INVALID_PARAMETER.
 *  - Lists are strings, each ended by a NUL, and after the last one another NUL. The first character of each string is
 *    its BFT type, the name follows. A list's size is that of its whole buffer in bytes.
 *  - What a function hands out belongs to the caller until DsBackupFree. A function that fails hands out nothing: it
 *    sets results to NULL and 0.
 *  - A handle may be used from any thread. Calls on one handle wait for one another.
 *  - WCHAR has 16 bits everywhere (UTF-16). CHAR strings are UTF-8 on Linux and of the ANSI code page on Windows.
 *  - A child made by fork() must not call these functions before it has called exec().
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef NTDSBCLI_NTDSBCLI_H
#define NTDSBCLI_NTDSBCLI_H

#ifdef _WIN32
#include <windows.h>
#elif !defined(NTDSBCLI_NO_WINDOWS_TYPES)
/*
 * The types and codes of Windows that the functions use. A program that has them already, from another library's
 * header, defines NTDSBCLI_NO_WINDOWS_TYPES; there too LONG and DWORD must have 32 bits, and WCHAR 16.
 */
#include <stdint.h>

typedef char CHAR;
typedef uint16_t WCHAR;
typedef int32_t LONG;
typedef uint32_t ULONG;
typedef uint32_t DWORD;
typedef int64_t LONGLONG;
typedef int BOOL;
typedef int WINBOOL;
typedef LONG HRESULT;
typedef void *PVOID;
typedef DWORD *PDWORD;
typedef DWORD *LPDWORD;
typedef CHAR *LPSTR;
typedef const CHAR *LPCSTR;
typedef WCHAR *LPWSTR;
typedef const WCHAR *LPCWSTR;

/* A signed number of 64 bits, as a whole and in halves. */
typedef union _LARGE_INTEGER {
  struct {
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    LONG HighPart;
    DWORD LowPart;
#else
    DWORD LowPart;
    LONG HighPart;
#endif
  } u;
  LONGLONG QuadPart;
} LARGE_INTEGER;

#ifndef FALSE
#define FALSE 0
#endif
#ifndef TRUE
#define TRUE 1
#endif
#ifndef S_OK
#define S_OK ((HRESULT)0)
#endif
#ifndef ERROR_ACCESS_DENIED
#define ERROR_ACCESS_DENIED 5
#endif
#ifndef ERROR_NOT_ENOUGH_MEMORY
#define ERROR_NOT_ENOUGH_MEMORY 8
#endif
#ifndef ERROR_HANDLE_EOF
#define ERROR_HANDLE_EOF 38
#endif
#ifndef ERROR_INVALID_PARAMETER
#define ERROR_INVALID_PARAMETER 87
#endif
#ifndef RPC_S_INVALID_BINDING
#define RPC_S_INVALID_BINDING 1702
#endif
#endif

#include <ntdsbmsg.h>

/* How the functions are called and found. Define NTDSBCLI_STATIC to link the static library on Windows. */
#if !defined(_WIN32)
#define NTDSBCLI_API
#elif defined(NTDSBCLI_STATIC)
#define NTDSBCLI_API __stdcall
#else
#define NTDSBCLI_API __declspec(dllimport) __stdcall
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* The names under which the original's two interfaces are announced. */
#define g_aszBackupAnnotation "NTDS Backup Interface"
#define g_aszRestoreAnnotation "NTDS Restore Interface"
#ifdef _WIN32
#define g_wszBackupAnnotation L"NTDS Backup Interface"
#define g_wszRestoreAnnotation L"NTDS Restore Interface"
#else
#define g_wszBackupAnnotation u"NTDS Backup Interface"
#define g_wszRestoreAnnotation u"NTDS Restore Interface"
#endif

/* Kinds of backup, for DsBackupPrepare. */
#define BACKUP_TYPE_FULL 0x01
#define BACKUP_TYPE_LOGS_ONLY 0x02
#define BACKUP_TYPE_INCREMENTAL 0x04

/* Kinds of restore, for DsRestorePrepare. The second word of the first is spelled as published. */
#define RESTORE_TYPE_AUTHORATATIVE 0x01
#define RESTORE_TYPE_ONLINE 0x02
#define RESTORE_TYPE_CATCHUP 0x04

/* For DsSetCurrentBackupLog: nothing but a full backup until there has been one. */
#define BACKUP_DISABLE_INCREMENTAL 0xffffffff

/* The first character of a name in a list: what it names (four low bits), and where that goes in a restore. */
#ifdef UNICODE
typedef WCHAR BFT;
#else
typedef CHAR BFT;
#endif

/* The name is a folder. */
#define BFT_DIRECTORY 0x80
/* The file goes into the folder of the database. */
#define BFT_DATABASE_DIRECTORY 0x40
/* The file goes into the folder of the logs. */
#define BFT_LOG_DIRECTORY 0x20

#define BFT_LOG ((BFT)(0x01 | BFT_LOG_DIRECTORY))
#define BFT_LOG_DIR ((BFT)(0x02 | BFT_DIRECTORY))
#define BFT_CHECKPOINT_DIR ((BFT)(0x03 | BFT_DIRECTORY))
#define BFT_NTDS_DATABASE ((BFT)(0x04 | BFT_DATABASE_DIRECTORY))
#define BFT_PATCH_FILE ((BFT)(0x05 | BFT_LOG_DIRECTORY))
#define BFT_UNKNOWN ((BFT)0x0f)

/* A backup or a restore in progress. Its value means nothing to a program; one that was never given is refused. */
typedef void *HBC;

/* Where one database lay when it was backed up, and where it goes. */
typedef struct tagEDB_RSTMAPA {
  char *szDatabaseName;
  char *szNewDatabaseName;
} EDB_RSTMAPA, *PEDB_RSTMAPA;

typedef struct tagEDB_RSTMAPW {
  WCHAR *wszDatabaseName;
  WCHAR *wszNewDatabaseName;
} EDB_RSTMAPW, *PEDB_RSTMAPW;

/* EDB_RSTMAPW exists. */
#define UNICODE_RSTMAP

/* --- Whether the directory is online --- */

/* Online it can be backed up, offline it can be restored. The server's name may begin with backslashes. */
HRESULT NTDSBCLI_API DsIsNTDSOnlineA(LPCSTR szServerName, WINBOOL *pfNTDSOnline);
HRESULT NTDSBCLI_API DsIsNTDSOnlineW(LPCWSTR szServerName, WINBOOL *pfNTDSOnline);

/* --- Backup --- */

/* Begins a backup. Keep the expiry token with it: a restore asks for it. grbit is 0. */
HRESULT NTDSBCLI_API DsBackupPrepareA(LPCSTR szBackupServer, ULONG grbit, ULONG btFlag, PVOID *ppvExpiryToken,
                                      LPDWORD pcbExpiryTokenSize, HBC *phbc);
HRESULT NTDSBCLI_API DsBackupPrepareW(LPCWSTR szBackupServer, ULONG grbit, ULONG btFlag, PVOID *ppvExpiryToken,
                                      LPDWORD pcbExpiryTokenSize, HBC *phbc);

/* The database files, which are to be read first. */
HRESULT NTDSBCLI_API DsBackupGetDatabaseNamesA(HBC hbc, LPSTR *pszAttachmentInfo, LPDWORD pcbSize);
HRESULT NTDSBCLI_API DsBackupGetDatabaseNamesW(HBC hbc, LPWSTR *pszAttachmentInfo, LPDWORD pcbSize);

/* Opens a listed file, one at a time. The hint is the size of the reads to come: a multiple of 8192, at least 24576. */
HRESULT NTDSBCLI_API DsBackupOpenFileA(HBC hbc, LPCSTR szAttachmentName, DWORD cbReadHintSize,
                                       LARGE_INTEGER *pliFileSize);
HRESULT NTDSBCLI_API DsBackupOpenFileW(HBC hbc, LPCWSTR szAttachmentName, DWORD cbReadHintSize,
                                       LARGE_INTEGER *pliFileSize);

/* Reads on in the open file, at times less than asked for; ERROR_HANDLE_EOF at its end. Sizes as for the hint. */
HRESULT NTDSBCLI_API DsBackupRead(HBC hbc, PVOID pvBuffer, DWORD cbBuffer, PDWORD pcbRead);

/* Closes the open file. */
HRESULT NTDSBCLI_API DsBackupClose(HBC hbc);

/* The logs, which are to be read after the database files. */
HRESULT NTDSBCLI_API DsBackupGetBackupLogsA(HBC hbc, LPSTR *pszBackupLogFiles, LPDWORD pcbSize);
HRESULT NTDSBCLI_API DsBackupGetBackupLogsW(HBC hbc, LPWSTR *pszBackupLogFiles, LPDWORD pcbSize);

/* Deletes logs that this backup holds and that crash recovery no longer needs. Only when the backup is safe on disk. */
HRESULT NTDSBCLI_API DsBackupTruncateLogs(HBC hbc);

/* Ends the backup, successful or not. The handle is gone then, whatever is returned. */
HRESULT NTDSBCLI_API DsBackupEnd(HBC hbc);

/* Frees what a function has handed out. NULL and what no function has handed out are left alone. */
void NTDSBCLI_API DsBackupFree(PVOID pvBuffer);

/* --- Restore --- */

/* Begins a restore. Without a token the handle is good for DsRestoreGetDatabaseLocations only. */
HRESULT NTDSBCLI_API DsRestorePrepareA(LPCSTR szServerName, ULONG rtFlag, PVOID pvExpiryToken, DWORD cbExpiryTokenSize,
                                       HBC *phbc);
HRESULT NTDSBCLI_API DsRestorePrepareW(LPCWSTR szServerName, ULONG rtFlag, PVOID pvExpiryToken, DWORD cbExpiryTokenSize,
                                       HBC *phbc);

/* Where files go. */
HRESULT NTDSBCLI_API DsRestoreGetDatabaseLocationsA(HBC hbc, LPSTR *pszDatabaseLocationList, LPDWORD pcbSize);
HRESULT NTDSBCLI_API DsRestoreGetDatabaseLocationsW(HBC hbc, LPWSTR *pszDatabaseLocationList, LPDWORD pcbSize);

/* Locks the restore. From here on the directory cannot start until a restore is complete. */
HRESULT NTDSBCLI_API DsRestoreRegisterA(HBC hbc, LPCSTR szCheckPointFilePath, LPCSTR szLogPath, EDB_RSTMAPA rgrstmap[],
                                        LONG crstmap, LPCSTR szBackupLogPath, ULONG genLow, ULONG genHigh);
HRESULT NTDSBCLI_API DsRestoreRegisterW(HBC hbc, LPCWSTR szCheckPointFilePath, LPCWSTR szLogPath,
                                        EDB_RSTMAPW rgrstmap[], LONG crstmap, LPCWSTR szBackupLogPath, ULONG genLow,
                                        ULONG genHigh);

/* Says how the copying ended: after S_OK the files are checked, and the directory may start if they are sound. */
HRESULT NTDSBCLI_API DsRestoreRegisterComplete(HBC hbc, HRESULT hrRestoreState);

/* Ends the restore. The handle is gone then, whatever is returned. */
HRESULT NTDSBCLI_API DsRestoreEnd(HBC hbc);

/* --- Process-wide --- */

/* Records the number of the current log, or BACKUP_DISABLE_INCREMENTAL. */
HRESULT NTDSBCLI_API DsSetCurrentBackupLogA(LPCSTR szServerName, DWORD dwCurrentLog);
HRESULT NTDSBCLI_API DsSetCurrentBackupLogW(LPCWSTR szServerName, DWORD dwCurrentLog);

/* Who the later calls of this process are made for. Three times NULL (ours): the process's own user again. */
HRESULT NTDSBCLI_API DsSetAuthIdentityA(LPCSTR szUserName, LPCSTR szDomainName, LPCSTR szPassword);
HRESULT NTDSBCLI_API DsSetAuthIdentityW(LPCWSTR szUserName, LPCWSTR szDomainName, LPCWSTR szPassword);

/* Names without A or W stand for one of the two, as everywhere in Windows. */
#ifdef UNICODE
#define NTDSBCLI_NAME_AW(name) name##W
#define g_szBackupAnnotation g_wszBackupAnnotation
#define g_szRestoreAnnotation g_wszRestoreAnnotation
#else
#define NTDSBCLI_NAME_AW(name) name##A
#define g_szBackupAnnotation g_aszBackupAnnotation
#define g_szRestoreAnnotation g_aszRestoreAnnotation
#endif
#define EDB_RSTMAP NTDSBCLI_NAME_AW(EDB_RSTMAP)
#define PEDB_RSTMAP NTDSBCLI_NAME_AW(PEDB_RSTMAP)
#define DsIsNTDSOnline NTDSBCLI_NAME_AW(DsIsNTDSOnline)
#define DsBackupPrepare NTDSBCLI_NAME_AW(DsBackupPrepare)
#define DsBackupGetDatabaseNames NTDSBCLI_NAME_AW(DsBackupGetDatabaseNames)
#define DsBackupOpenFile NTDSBCLI_NAME_AW(DsBackupOpenFile)
#define DsBackupGetBackupLogs NTDSBCLI_NAME_AW(DsBackupGetBackupLogs)
#define DsRestoreGetDatabaseLocations NTDSBCLI_NAME_AW(DsRestoreGetDatabaseLocations)
#define DsRestorePrepare NTDSBCLI_NAME_AW(DsRestorePrepare)
#define DsRestoreRegister NTDSBCLI_NAME_AW(DsRestoreRegister)
#define DsSetCurrentBackupLog NTDSBCLI_NAME_AW(DsSetCurrentBackupLog)
#define DsSetAuthIdentity NTDSBCLI_NAME_AW(DsSetAuthIdentity)

/* --- Beyond the published functions --- */

/* The original exports this function but declares it nowhere: whether a token is whole and not expired. */
HRESULT NTDSBCLI_API DsRestoreCheckExpiryToken(PVOID pvExpiryToken, DWORD cbExpiryTokenSize);

/* This header declares DsBackupGetLastReason. */
#define NTDSBCLI_HAS_LAST_REASON 1

/*
 * Ours: why the last of these functions that this thread has called failed, in words (UTF-8): what happened, to which
 * file, and what to do next. Empty after a success. Never NULL; good until this thread's next call of any function.
 */
const char *NTDSBCLI_API DsBackupGetLastReason(void);

/*
 * Ours: types of two more files, which are listed when a directory is copied that stands still. Their high bits tell
 * any program where they belong.
 */
#define NTDSBCLI_BFT_CHECKPOINT ((BFT)(0x06 | BFT_LOG_DIRECTORY))
#define NTDSBCLI_BFT_FLUSH_MAP ((BFT)(0x07 | BFT_DATABASE_DIRECTORY))
/*
 * Ours: types of what else makes a Samba domain controller: files of its state that are no databases, files of its
 * shares, the list of folders, owners and attributes, and, among the locations of a restore, the folder to which all of
 * it is relative.
 */
#define NTDSBCLI_BFT_STATE ((BFT)(0x08 | BFT_DATABASE_DIRECTORY))
#define NTDSBCLI_BFT_SHARED ((BFT)(0x09 | BFT_DATABASE_DIRECTORY))
#define NTDSBCLI_BFT_LISTING ((BFT)(0x0a | BFT_DATABASE_DIRECTORY))
#define NTDSBCLI_BFT_STATE_DIR ((BFT)(0x0b | BFT_DIRECTORY))

#ifdef __cplusplus
}
#endif

#endif
