/* Runs a command with a token that holds neither the privilege of backups nor that of restores. */
#include <stdio.h>
#include <string.h>
#include <windows.h>

static int lose(HANDLE token, const char *name) {
  TOKEN_PRIVILEGES privileges = {1, {{{0, 0}, SE_PRIVILEGE_REMOVED}}};
  return LookupPrivilegeValueA(NULL, name, &privileges.Privileges[0].Luid) &&
         AdjustTokenPrivileges(token, FALSE, &privileges, 0, NULL, NULL) && GetLastError() == ERROR_SUCCESS;
}

int main(int count, char **arguments) {
  char line[4096] = "";
  STARTUPINFOA start = {.cb = sizeof start};
  PROCESS_INFORMATION process;
  HANDLE token;
  DWORD code = 99;
  int i;
  if (!OpenProcessToken(GetCurrentProcess(), TOKEN_ADJUST_PRIVILEGES | TOKEN_QUERY, &token) ||
      !lose(token, "SeBackupPrivilege") || !lose(token, "SeRestorePrivilege")) {
    fprintf(stderr, "the privileges stay\n");
    return 98;
  }
  for (i = 1; i < count; i++) {
    strcat(line, arguments[i]);
    strcat(line, " ");
  }
  if (!CreateProcessA(NULL, line, NULL, NULL, TRUE, 0, NULL, NULL, &start, &process))
    return 97;
  WaitForSingleObject(process.hProcess, INFINITE);
  GetExitCodeProcess(process.hProcess, &code);
  return (int)code;
}
