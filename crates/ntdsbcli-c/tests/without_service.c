/*
 * What the library returns where no service is needed, or none answers: one source for Linux and Windows. Prints what
 * differs from docs/conformance.md; the exit code is the number of differences.
 */
#include <ntdsbcli.h>
#include <stdio.h>
#include <string.h>

static int differences;

static void expect(const char *call, HRESULT found, HRESULT expected) {
  if (found == expected) return;
  fprintf(stderr, "%s: 0x%08lX, expected 0x%08lX: %s\n", call, (unsigned long)found & 0xFFFFFFFFul,
          (unsigned long)expected & 0xFFFFFFFFul, DsBackupGetLastReason());
  ++differences;
}

#define EXPECT(expected, call) expect(#call, call, expected)

static void expect_true(const char *what, int found) {
  if (found) return;
  fprintf(stderr, "not so: %s\n", what);
  ++differences;
}

#define TRUE_THAT(what) expect_true(#what, what)

/* WCHAR strings without L"", which has other characters on Linux. */
static WCHAR here[] = {'\\', '\\', 'l', 'o', 'c', 'a', 'l', 'h', 'o', 's', 't', 0};
static WCHAR malformed[] = {'d', 'c', '_', '0', '1', 0};
static WCHAR half_a_pair[] = {'d', 0xD800, 'x', 0};
static char endless[40000];

static void names_of_servers(void) {
  WINBOOL online = 7;
  PVOID token = &online;
  DWORD size = 7;
  HBC hbc = &online;
  EXPECT(hrCouldNotConnect, DsIsNTDSOnlineA("\\\\localhost", &online));
  TRUE_THAT(online == FALSE);
  EXPECT(hrCouldNotConnect, DsIsNTDSOnlineW(here, &online));
  EXPECT(hrCouldNotConnect, DsIsNTDSOnlineA("dc_01", &online));
  EXPECT(hrCouldNotConnect, DsIsNTDSOnlineW(malformed, &online));
  EXPECT(hrCouldNotConnect, DsIsNTDSOnlineA("", &online));
  EXPECT(hrCouldNotConnect, DsIsNTDSOnlineA("elsewhere.example", &online));
  EXPECT(ERROR_INVALID_PARAMETER, DsIsNTDSOnlineA(NULL, &online));
  EXPECT(ERROR_INVALID_PARAMETER, DsIsNTDSOnlineW(NULL, &online));
  EXPECT(ERROR_INVALID_PARAMETER, DsIsNTDSOnlineW(half_a_pair, &online));
  EXPECT(ERROR_INVALID_PARAMETER, DsIsNTDSOnlineA(endless, &online));
  EXPECT(ERROR_INVALID_PARAMETER, DsIsNTDSOnlineA("localhost", NULL));
  EXPECT(hrCouldNotConnect, DsBackupPrepareA("localhost", 0, BACKUP_TYPE_FULL, &token, &size, &hbc));
  TRUE_THAT(token == NULL && size == 0 && hbc == NULL);
  EXPECT(hrCouldNotConnect, DsBackupPrepareW(here, 0, BACKUP_TYPE_FULL, &token, &size, &hbc));
  EXPECT(ERROR_INVALID_PARAMETER, DsBackupPrepareA("localhost", 1, BACKUP_TYPE_FULL, &token, &size, &hbc));
  EXPECT(ERROR_INVALID_PARAMETER, DsBackupPrepareA("localhost", 0, 3, &token, &size, &hbc));
  EXPECT(hrInvalidParam, DsBackupPrepareA("localhost", 0, BACKUP_TYPE_FULL, NULL, &size, &hbc));
  EXPECT(hrInvalidParam, DsBackupPrepareA("localhost", 0, BACKUP_TYPE_FULL, &token, NULL, &hbc));
  EXPECT(ERROR_INVALID_PARAMETER, DsBackupPrepareA("localhost", 0, BACKUP_TYPE_FULL, &token, &size, NULL));
  EXPECT(hrCouldNotConnect, DsRestorePrepareA("localhost", 0, NULL, 0, &hbc));
  EXPECT(hrCouldNotConnect, DsRestorePrepareW(here, RESTORE_TYPE_CATCHUP, NULL, 0, &hbc));
  EXPECT(ERROR_INVALID_PARAMETER, DsRestorePrepareA("localhost", 3, NULL, 0, &hbc));
  EXPECT(hrCouldNotConnect, DsSetCurrentBackupLogA("localhost", 1));
  EXPECT(hrCouldNotConnect, DsSetCurrentBackupLogW(here, BACKUP_DISABLE_INCREMENTAL));
}

static void no_handle(HBC hbc) {
  static char buffer[24576];
  EDB_RSTMAPA map_a = {buffer, buffer};
  EDB_RSTMAPW map_w = {here, here};
  LPSTR list_a = buffer;
  LPWSTR list_w = here;
  LARGE_INTEGER bytes;
  DWORD size = 7;
  EXPECT(ERROR_INVALID_PARAMETER, DsBackupGetDatabaseNamesA(hbc, &list_a, &size));
  TRUE_THAT(list_a == NULL && size == 0);
  EXPECT(ERROR_INVALID_PARAMETER, DsBackupGetDatabaseNamesW(hbc, &list_w, &size));
  EXPECT(ERROR_INVALID_PARAMETER, DsBackupGetBackupLogsA(hbc, &list_a, &size));
  EXPECT(ERROR_INVALID_PARAMETER, DsBackupGetBackupLogsW(hbc, &list_w, &size));
  EXPECT(ERROR_INVALID_PARAMETER, DsBackupOpenFileA(hbc, "ntds.dit", 24576, &bytes));
  EXPECT(ERROR_INVALID_PARAMETER, DsBackupOpenFileW(hbc, here, 24576, &bytes));
  EXPECT(ERROR_INVALID_PARAMETER, DsBackupRead(hbc, buffer, sizeof buffer, &size));
  EXPECT(ERROR_INVALID_PARAMETER, DsBackupClose(hbc));
  EXPECT(ERROR_INVALID_PARAMETER, DsBackupTruncateLogs(hbc));
  EXPECT(ERROR_INVALID_PARAMETER, DsBackupEnd(hbc));
  EXPECT(ERROR_INVALID_PARAMETER, DsRestoreGetDatabaseLocationsA(hbc, &list_a, &size));
  EXPECT(ERROR_INVALID_PARAMETER, DsRestoreGetDatabaseLocationsW(hbc, &list_w, &size));
  EXPECT(ERROR_INVALID_PARAMETER, DsRestoreRegisterA(hbc, "c", "l", &map_a, 1, "l", 0, 1));
  EXPECT(ERROR_INVALID_PARAMETER, DsRestoreRegisterW(hbc, here, here, &map_w, 1, here, 0, 1));
  EXPECT(ERROR_INVALID_PARAMETER, DsRestoreRegisterComplete(hbc, S_OK));
  EXPECT(ERROR_INVALID_PARAMETER, DsRestoreEnd(hbc));
}

static void the_rest(void) {
  char token[84] = "no token of ours";
  int variable = 7;
  EXPECT(hrMissingExpiryToken, DsRestoreCheckExpiryToken(NULL, 0));
  EXPECT(hrUnknownExpiryTokenFormat, DsRestoreCheckExpiryToken(token, sizeof token));
  memcpy(token, "DSBXTOKN\001\000\124\000", 12);
  EXPECT(hrInvalidParam, DsRestoreCheckExpiryToken(token, sizeof token));
  EXPECT(ERROR_INVALID_PARAMETER, DsSetAuthIdentityA(NULL, "EXAMPLE", "secret"));
  EXPECT(ERROR_INVALID_PARAMETER, DsSetAuthIdentityW(half_a_pair, here, here));
  EXPECT(S_OK, DsSetAuthIdentityA("user", "EXAMPLE", "secret"));
  EXPECT(S_OK, DsSetAuthIdentityW(NULL, NULL, NULL));
  TRUE_THAT(strcmp(DsBackupGetLastReason(), "") == 0);
  DsBackupFree(NULL);
  DsBackupFree(&variable);
  DsBackupFree(token + 1);
  TRUE_THAT(variable == 7);
  TRUE_THAT(strstr(DsBackupGetLastReason(), "pvBuffer") != NULL);
}

int main(void) {
  int variable = 7;
  memset(endless, 'a', sizeof endless);
  names_of_servers();
  no_handle(NULL);
  no_handle(&variable);
  no_handle((HBC)~(size_t)0);
  the_rest();
  if (differences == 0) printf("no difference\n");
  return differences;
}
