/* console_event EVENT FOLDER COMMAND...: runs a command, and as soon as the folder is there has it hear of an event of
   its console, in the way of Windows: by a thread of the process that runs CtrlRoutine. The exit code is the command's. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

static int failed(const char *what) {
  fprintf(stderr, "%s: error %lu\n", what, GetLastError());
  return 99;
}

int main(int count, char **arguments) {
  char line[4096] = "";
  STARTUPINFOA start = {.cb = sizeof start};
  PROCESS_INFORMATION process;
  DWORD code = 99;
  HANDLE thread;
  FARPROC routine = GetProcAddress(GetModuleHandleA("kernelbase.dll"), "CtrlRoutine");
  int i;
  if (count < 4 || routine == NULL)
    return failed("CtrlRoutine");
  for (i = 3; i < count; i++) {
    strcat(line, arguments[i]);
    strcat(line, " ");
  }
  if (!CreateProcessA(NULL, line, NULL, NULL, TRUE, 0, NULL, NULL, &start, &process))
    return failed("CreateProcess");
  while (GetFileAttributesA(arguments[2]) == INVALID_FILE_ATTRIBUTES)
    if (WaitForSingleObject(process.hProcess, 1) == WAIT_OBJECT_0)
      return failed("the command ended before the folder was there");
  thread = CreateRemoteThread(process.hProcess, NULL, 0, (LPTHREAD_START_ROUTINE)(void *)routine,
                              (void *)(size_t)atoi(arguments[1]), 0, NULL);
  /* A command that ended meanwhile takes none. */
  if (thread == NULL && WaitForSingleObject(process.hProcess, 0) != WAIT_OBJECT_0)
    return failed("CreateRemoteThread");
  if (WaitForSingleObject(process.hProcess, 120000) != WAIT_OBJECT_0)
    return failed("the command goes on");
  GetExitCodeProcess(process.hProcess, &code);
  return (int)code;
}
