/* Makes the pipe of the service before the service does, as a program of an ordinary user: the pipe belongs to Users.
   Waits for one client, and then some time for what it says. */
#include <stdio.h>
#include <windows.h>
#include <sddl.h>

int main(void) {
  SECURITY_ATTRIBUTES attributes = {.nLength = sizeof attributes};
  HANDLE pipe;
  char byte;
  DWORD read;
  if (!ConvertStringSecurityDescriptorToSecurityDescriptorA("O:BUD:(A;;GA;;;WD)", SDDL_REVISION_1,
                                                            &attributes.lpSecurityDescriptor, NULL))
    return 1;
  pipe = CreateNamedPipeA("\\\\.\\pipe\\dsbackup", PIPE_ACCESS_DUPLEX | FILE_FLAG_FIRST_PIPE_INSTANCE, 0, 1, 0, 0, 0,
                          &attributes);
  if (pipe == INVALID_HANDLE_VALUE)
    return 2;
  printf("ready\n");
  fflush(stdout);
  if (!ConnectNamedPipe(pipe, NULL) && GetLastError() != ERROR_PIPE_CONNECTED)
    return 3;
  /* A client that trusts nobody says nothing. */
  return ReadFile(pipe, &byte, 1, &read, NULL) ? 4 : 0;
}
