/* The service NTDS of the tests: it runs until it is stopped, and does nothing. */
#include <windows.h>

static SERVICE_STATUS_HANDLE handle;
static SERVICE_STATUS status = {SERVICE_WIN32_OWN_PROCESS, SERVICE_RUNNING, SERVICE_ACCEPT_STOP, 0, 0, 0, 0};
static HANDLE stopped;

static void tell(DWORD state) {
  status.dwCurrentState = state;
  SetServiceStatus(handle, &status);
}

static DWORD WINAPI control(DWORD code, DWORD type, LPVOID data, LPVOID context) {
  (void)type, (void)data, (void)context;
  if (code == SERVICE_CONTROL_STOP) {
    tell(SERVICE_STOP_PENDING);
    SetEvent(stopped);
  }
  return NO_ERROR;
}

static void WINAPI run(DWORD count, LPSTR *arguments) {
  (void)count, (void)arguments;
  handle = RegisterServiceCtrlHandlerExA("NTDS", control, NULL);
  tell(SERVICE_RUNNING);
  WaitForSingleObject(stopped, INFINITE);
  tell(SERVICE_STOPPED);
}

int main(void) {
  SERVICE_TABLE_ENTRYA services[] = {{"NTDS", run}, {NULL, NULL}};
  stopped = CreateEventA(NULL, TRUE, FALSE, NULL);
  return StartServiceCtrlDispatcherA(services) ? 0 : 1;
}
