/*
 * Takes each function's address as a pointer of the published type: a header that declares one of them otherwise does
 * not compile. The last function is in no published header.
 */
#ifdef _WIN32
#include <windows.h>
#endif
#include <ntdsbcli.h>

#ifdef _WIN32
#define CALL __stdcall
#else
#define CALL
#endif

#define SIGNATURE(name, type, ...) \
  do { \
    type(CALL * function)(__VA_ARGS__) = name; \
    if (function == 0) return 1; \
  } while (0)

int main(void) {
  SIGNATURE(DsIsNTDSOnlineA, HRESULT, LPCSTR, WINBOOL *);
  SIGNATURE(DsIsNTDSOnlineW, HRESULT, LPCWSTR, WINBOOL *);
  SIGNATURE(DsBackupPrepareA, HRESULT, LPCSTR, ULONG, ULONG, PVOID *, LPDWORD, HBC *);
  SIGNATURE(DsBackupPrepareW, HRESULT, LPCWSTR, ULONG, ULONG, PVOID *, LPDWORD, HBC *);
  SIGNATURE(DsBackupGetDatabaseNamesA, HRESULT, HBC, LPSTR *, LPDWORD);
  SIGNATURE(DsBackupGetDatabaseNamesW, HRESULT, HBC, LPWSTR *, LPDWORD);
  SIGNATURE(DsBackupOpenFileA, HRESULT, HBC, LPCSTR, DWORD, LARGE_INTEGER *);
  SIGNATURE(DsBackupOpenFileW, HRESULT, HBC, LPCWSTR, DWORD, LARGE_INTEGER *);
  SIGNATURE(DsBackupRead, HRESULT, HBC, PVOID, DWORD, PDWORD);
  SIGNATURE(DsBackupClose, HRESULT, HBC);
  SIGNATURE(DsBackupGetBackupLogsA, HRESULT, HBC, LPSTR *, LPDWORD);
  SIGNATURE(DsBackupGetBackupLogsW, HRESULT, HBC, LPWSTR *, LPDWORD);
  SIGNATURE(DsBackupTruncateLogs, HRESULT, HBC);
  SIGNATURE(DsBackupEnd, HRESULT, HBC);
  SIGNATURE(DsBackupFree, void, PVOID);
  SIGNATURE(DsRestoreGetDatabaseLocationsA, HRESULT, HBC, LPSTR *, LPDWORD);
  SIGNATURE(DsRestoreGetDatabaseLocationsW, HRESULT, HBC, LPWSTR *, LPDWORD);
  SIGNATURE(DsRestorePrepareA, HRESULT, LPCSTR, ULONG, PVOID, DWORD, HBC *);
  SIGNATURE(DsRestorePrepareW, HRESULT, LPCWSTR, ULONG, PVOID, DWORD, HBC *);
  SIGNATURE(DsRestoreRegisterA, HRESULT, HBC, LPCSTR, LPCSTR, EDB_RSTMAPA *, LONG, LPCSTR, ULONG, ULONG);
  SIGNATURE(DsRestoreRegisterW, HRESULT, HBC, LPCWSTR, LPCWSTR, EDB_RSTMAPW *, LONG, LPCWSTR, ULONG, ULONG);
  SIGNATURE(DsRestoreRegisterComplete, HRESULT, HBC, HRESULT);
  SIGNATURE(DsRestoreEnd, HRESULT, HBC);
  SIGNATURE(DsSetCurrentBackupLogA, HRESULT, LPCSTR, DWORD);
  SIGNATURE(DsSetCurrentBackupLogW, HRESULT, LPCWSTR, DWORD);
  SIGNATURE(DsSetAuthIdentityA, HRESULT, LPCSTR, LPCSTR, LPCSTR);
  SIGNATURE(DsSetAuthIdentityW, HRESULT, LPCWSTR, LPCWSTR, LPCWSTR);
#ifdef NTDSBCLI_HAS_LAST_REASON
  SIGNATURE(DsRestoreCheckExpiryToken, HRESULT, PVOID, DWORD);
  SIGNATURE(DsBackupGetLastReason, const char *, void);
#endif
  return 0;
}
