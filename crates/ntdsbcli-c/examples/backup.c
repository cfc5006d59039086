/*
 * backup.c - backs up the directory of a server into an empty folder, in the nine steps of the walk-through
 * "Backing Up an Active Directory Server".
 *
 *   backup SERVER FOLDER
 *
 * The folder receives the files, a list of them (backup.lst) and the expiry token (backup.tok). The token is written
 * last: a folder without one holds no complete backup, and restore.c refuses it.
 */
#ifdef _WIN32
#define __USE_MINGW_ANSI_STDIO 1
#include <windows.h>
#include <io.h>
#define fsync _commit
#define fileno _fileno
#else
#include <unistd.h>
#endif
#include <ntdsbcli.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUFFER_SIZE (64 * 8192) /* a multiple of 8192, and at least 24576 */
#define PATH_SIZE 4096

static char buffer[BUFFER_SIZE];

/* Says which function failed and with which code; and why, where the header offers that. */
static int failed(const char *function, HRESULT hr) {
#ifdef NTDSBCLI_HAS_LAST_REASON
  fprintf(stderr, "%s: 0x%08lX: %s\n", function, (unsigned long)hr & 0xFFFFFFFFul, DsBackupGetLastReason());
#else
  fprintf(stderr, "%s: 0x%08lX\n", function, (unsigned long)hr & 0xFFFFFFFFul);
#endif
  return 0;
}

static int failed_file(const char *what, const char *path) {
  perror(path);
  fprintf(stderr, "%s failed\n", what);
  return 0;
}

/* Creates a file in the backup's folder. */
static FILE *create(const char *folder, const char *name, char *path) {
  FILE *file;
  if (snprintf(path, PATH_SIZE, "%s/%s", folder, name) >= PATH_SIZE) return NULL;
  if ((file = fopen(path, "rb")) != NULL) {
    fclose(file);
    fprintf(stderr, "%s exists: give me an empty folder\n", path);
    return NULL;
  }
  return fopen(path, "wb");
}

/* Closes a file; what was written is on the disk then. */
static int close_durably(FILE *file, const char *path) {
  int good = fflush(file) == 0 && fsync(fileno(file)) == 0;
  return (fclose(file) == 0 && good) || failed_file("writing", path);
}

/* Step 4: opens, reads and closes one file. */
static int back_up_file(HBC hbc, const char *name, const char *folder, LONGLONG *bytes) {
  const char *base = name, *character;
  char path[PATH_SIZE];
  LARGE_INTEGER size;
  LONGLONG total = 0;
  DWORD read = 0;
  FILE *file;
  HRESULT hr = DsBackupOpenFile(hbc, name, BUFFER_SIZE, &size);
  if (hr != S_OK) return failed("DsBackupOpenFile", hr);
  for (character = name; *character != 0; ++character)
    if (*character == '/' || *character == '\\') base = character + 1;
  if ((file = create(folder, base, path)) == NULL) return failed_file("creating", path);
  while ((hr = DsBackupRead(hbc, buffer, BUFFER_SIZE, &read)) == S_OK) {
    if (fwrite(buffer, 1, read, file) != read) {
      fclose(file);
      return failed_file("writing", path);
    }
    total += read;
  }
  if (!close_durably(file, path)) return 0;
  if (hr != ERROR_HANDLE_EOF) return failed("DsBackupRead", hr);
  if (total != size.QuadPart) {
    fprintf(stderr, "%s: %lld bytes of %lld were read\n", name, (long long)total, (long long)size.QuadPart);
    return 0;
  }
  hr = DsBackupClose(hbc);
  *bytes = total;
  return hr == S_OK || failed("DsBackupClose", hr);
}

/* Backs up the files of a list. Each name begins with its type; the list ends with an empty name. */
static int back_up_files(HBC hbc, const char *names, const char *folder, FILE *list) {
  LONGLONG bytes;
  for (; *names != 0; names += strlen(names) + 1) {
    if (!back_up_file(hbc, names + 1, folder, &bytes)) return 0;
    if (fprintf(list, "%02x %lld %s\n", (unsigned char)*names, (long long)bytes, names + 1) < 0) return 0;
    printf("  %s: %lld bytes\n", names + 1, (long long)bytes);
  }
  return 1;
}

/* Steps 3 to 7, on a backup that was prepared. */
static int back_up(HBC hbc, const void *token, DWORD token_size, const char *folder) {
  LPSTR names = NULL;
  DWORD names_size = 0;
  char path[PATH_SIZE];
  int good;
  HRESULT hr;
  FILE *file = create(folder, "backup.lst", path);
  if (file == NULL) return failed_file("creating", path);

  /* 3 and 4: the database files. */
  hr = DsBackupGetDatabaseNames(hbc, &names, &names_size);
  good = hr == S_OK ? back_up_files(hbc, names, folder, file) : failed("DsBackupGetDatabaseNames", hr);
  DsBackupFree(names);
  names = NULL;

  /* 5: after them the logs, which hold what has changed meanwhile. */
  if (good) {
    hr = DsBackupGetBackupLogs(hbc, &names, &names_size);
    good = hr == S_OK ? back_up_files(hbc, names, folder, file) : failed("DsBackupGetBackupLogs", hr);
    DsBackupFree(names);
  }
  if (!close_durably(file, path) || !good) return 0;

  /* 6: all of it is on the disk, so the server may delete the logs that it no longer needs. */
  hr = DsBackupTruncateLogs(hbc);
  if (hr != S_OK) return failed("DsBackupTruncateLogs", hr);

  /* 7: a restore will ask for the token. */
  if ((file = create(folder, "backup.tok", path)) == NULL) return failed_file("creating", path);
  good = fwrite(token, 1, token_size, file) == token_size;
  return close_durably(file, path) && good;
}

int main(int argc, char **argv) {
  WINBOOL online = FALSE;
  PVOID token = NULL;
  DWORD token_size = 0;
  HBC hbc = NULL;
  HRESULT hr;
  int good;
  if (argc != 3) {
    fprintf(stderr, "usage: backup SERVER FOLDER\n");
    return 2;
  }
  /* 1: only a directory that is online can be backed up. */
  hr = DsIsNTDSOnline(argv[1], &online);
  if (hr != S_OK) return failed("DsIsNTDSOnline", hr), 1;
  if (!online) {
    fprintf(stderr, "%s: the directory is offline and cannot be backed up\n", argv[1]);
    return 1;
  }
  /* 2: the handle and the token. */
  hr = DsBackupPrepare(argv[1], 0, BACKUP_TYPE_FULL, &token, &token_size, &hbc);
  if (hr != S_OK) return failed("DsBackupPrepare", hr), 1;
  good = back_up(hbc, token, token_size, argv[2]);
  /* 8 and 9: successful or not, release the token and the backup. */
  DsBackupFree(token);
  hr = DsBackupEnd(hbc);
  if (hr != S_OK) good = failed("DsBackupEnd", hr);
  printf(good ? "the backup is complete\n" : "the backup failed\n");
  return good ? 0 : 1;
}
