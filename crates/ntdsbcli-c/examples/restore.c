/*
 * restore.c - restores a backup of backup.c, in the seven steps of the walk-through "Restoring an Active Directory
 * Server".
 *
 *   restore SERVER FOLDER
 *
 * The directory must be offline. What lies in its folders is deleted: nothing else should be kept there.
 */
#ifdef _WIN32
#define __USE_MINGW_ANSI_STDIO 1
#define _FILE_OFFSET_BITS 64
#include <windows.h>
#include <io.h>
#define fsync _commit
#define fileno _fileno
#else
#include <unistd.h>
#endif
#include <dirent.h>
#include <ntdsbcli.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define PATH_SIZE 4096
#define MOST_FILES 4096

typedef struct {
  unsigned type; /* its BFT type */
  long long size;
  char path[PATH_SIZE]; /* where it was backed up from */
} BackupFile;

static BackupFile files[MOST_FILES];
static int file_count;
static char database[PATH_SIZE], log_folder[PATH_SIZE], checkpoint_folder[PATH_SIZE], database_folder[PATH_SIZE];

static int failed(const char *function, HRESULT hr) {
#ifdef NTDSBCLI_HAS_LAST_REASON
  fprintf(stderr, "%s: 0x%08lX: %s\n", function, (unsigned long)hr & 0xFFFFFFFFul, DsBackupGetLastReason());
#else
  fprintf(stderr, "%s: 0x%08lX\n", function, (unsigned long)hr & 0xFFFFFFFFul);
#endif
  return 0;
}

static int refuse(const char *path, const char *reason) {
  fprintf(stderr, "%s: %s\n", path, reason);
  return 0;
}

static const char *base_name(const char *path) {
  const char *base = path;
  for (; *path != 0; ++path)
    if (*path == '/' || *path == '\\') base = path + 1;
  return base;
}

static void folder_of(const char *path, char *folder) {
  size_t length = (size_t)(base_name(path) - path);
  memcpy(folder, path, length);
  folder[length > 1 ? length - 1 : length] = 0;
}

static int join(char *path, const char *folder, const char *name) {
  return snprintf(path, PATH_SIZE, "%s/%s", folder, name) < PATH_SIZE || refuse(folder, "the path is too long");
}

/* Reads the backup's list, and makes sure that all of its files are there before anything is deleted. */
static int read_list(const char *folder) {
  char path[PATH_SIZE];
  struct stat status;
  FILE *list;
  if (!join(path, folder, "backup.lst") || (list = fopen(path, "r")) == NULL) return refuse(path, "cannot be read");
  while (file_count < MOST_FILES) {
    BackupFile *file = &files[file_count];
    if (fscanf(list, "%x %lld %4095[^\n]", &file->type, &file->size, file->path) != 3) break;
    if (!join(path, folder, base_name(file->path)) || stat(path, &status) != 0 || status.st_size != file->size) {
      fclose(list);
      return refuse(path, "is missing or not as long as it was");
    }
    if (file->type == (unsigned char)BFT_NTDS_DATABASE) snprintf(database, PATH_SIZE, "%s", file->path);
    if (file->type == (unsigned char)BFT_LOG) folder_of(file->path, log_folder);
    ++file_count;
  }
  fclose(list);
  return *database != 0 || refuse(folder, "the backup holds no database");
}

/* Step 3: where the files go. What is not said goes back to where it came from. */
static void get_locations(HBC hbc) {
  LPSTR locations = NULL, location;
  DWORD size = 0;
  HRESULT hr;
  folder_of(database, checkpoint_folder);
  if (*log_folder == 0) folder_of(database, log_folder);
  hr = DsRestoreGetDatabaseLocations(hbc, &locations, &size);
  if (hr != S_OK) failed("DsRestoreGetDatabaseLocations", hr);
  for (location = locations; hr == S_OK && *location != 0; location += strlen(location) + 1) {
    if (*location == BFT_NTDS_DATABASE) snprintf(database, PATH_SIZE, "%s", location + 1);
    if (*location == BFT_LOG_DIR) snprintf(log_folder, PATH_SIZE, "%s", location + 1);
    if (*location == BFT_CHECKPOINT_DIR) snprintf(checkpoint_folder, PATH_SIZE, "%s", location + 1);
  }
  DsBackupFree(locations);
  folder_of(database, database_folder);
}

/* Step 4: locks the restore. The numbers of the logs are in their names; the current one has the next number. */
static HRESULT register_restore(HBC hbc, char *old_database) {
  EDB_RSTMAP map = {old_database, database};
  unsigned long low = 0xFFFFF, high = 0, current = 0;
  int index;
  for (index = 0; index < file_count; ++index) {
    const char *base = base_name(files[index].path), *digits;
    if (files[index].type != (unsigned char)BFT_LOG) continue;
    digits = base + strcspn(base, "0123456789");
    if (strspn(digits, "0123456789abcdefABCDEF") >= 5) {
      unsigned long number = strtoul(digits, NULL, 16);
      if (number < low) low = number;
      if (number > high) high = number;
    } else {
      current = 1;
    }
  }
  if (low > high) low = 0, high = 0xFFFFE; /* no log has a number */
  return DsRestoreRegister(hbc, checkpoint_folder, log_folder, &map, 1, log_folder, (ULONG)low, (ULONG)(high + current));
}

/* Step 5: first deletes the files of a destination folder ... */
static int empty_folder(const char *folder) {
  DIR *directory = opendir(folder);
  struct dirent *entry;
  struct stat status;
  char path[PATH_SIZE];
  int good = 1;
  if (directory == NULL) return refuse(folder, "cannot be read");
  while (good && (entry = readdir(directory)) != NULL) {
    good = join(path, folder, entry->d_name);
    if (good && stat(path, &status) == 0 && S_ISREG(status.st_mode) && remove(path) != 0)
      good = refuse(path, "cannot be deleted");
  }
  closedir(directory);
  return good;
}

/* ... and then copies the backup's files there. Their types say where they belong. */
static int copy_file(const char *folder, const BackupFile *file) {
  static char buffer[1 << 20];
  const char *base = base_name(file->path);
  char from[PATH_SIZE], to[PATH_SIZE];
  size_t length;
  FILE *source, *target;
  int good = join(from, folder, base);
  if (file->type == (unsigned char)BFT_NTDS_DATABASE) snprintf(to, PATH_SIZE, "%s", database);
  else if (file->type == (unsigned char)BFT_PATCH_FILE) good = good && join(to, checkpoint_folder, base);
  else good = good && join(to, file->type & BFT_DATABASE_DIRECTORY ? database_folder : log_folder, base);
  if (!good || (source = fopen(from, "rb")) == NULL) return refuse(from, "cannot be read");
  if ((target = fopen(to, "wb")) == NULL) return fclose(source), refuse(to, "cannot be written");
  while (good && (length = fread(buffer, 1, sizeof buffer, source)) > 0)
    good = fwrite(buffer, 1, length, target) == length;
  good = good && !ferror(source) && fflush(target) == 0 && fsync(fileno(target)) == 0;
  fclose(source);
  return (fclose(target) == 0 && good) || refuse(to, "could not be copied");
}

static int restore_files(const char *folder) {
  int index, good = empty_folder(database_folder) && empty_folder(log_folder) && empty_folder(checkpoint_folder);
  for (index = 0; good && index < file_count; ++index) good = copy_file(folder, &files[index]);
  return good;
}

int main(int argc, char **argv) {
  static char token[4096], path[PATH_SIZE], old_database[PATH_SIZE];
  WINBOOL online = TRUE;
  HBC hbc = NULL;
  DWORD token_size;
  HRESULT hr;
  FILE *file;
  int good;
  if (argc != 3) return refuse("usage", "restore SERVER FOLDER"), 2;
  if (!read_list(argv[2])) return 1;
  snprintf(old_database, PATH_SIZE, "%s", database);
  if (!join(path, argv[2], "backup.tok") || (file = fopen(path, "rb")) == NULL)
    return refuse(path, "the backup is not complete"), 1;
  token_size = (DWORD)fread(token, 1, sizeof token, file);
  fclose(file);

  /* 1: only a directory that is offline can be restored. */
  hr = DsIsNTDSOnline(argv[1], &online);
  if (hr != S_OK) return failed("DsIsNTDSOnline", hr), 1;
  if (online) return refuse(argv[1], "the directory is online and cannot be restored"), 1;
  /* 2: the backup's token must not have expired. */
  hr = DsRestorePrepare(argv[1], RESTORE_TYPE_CATCHUP, token, token_size, &hbc);
  if (hr != S_OK) return failed("DsRestorePrepare", hr), 1;
  get_locations(hbc);
  hr = register_restore(hbc, old_database);
  good = hr == S_OK || failed("DsRestoreRegister", hr);
  if (good) {
    int restored = restore_files(argv[2]);
    /* 6: after success the server checks the files; without it, the directory must not start. */
    hr = DsRestoreRegisterComplete(hbc, restored ? S_OK : hrError);
    good = restored && (hr == S_OK || failed("DsRestoreRegisterComplete", hr));
  }
  /* 7 */
  hr = DsRestoreEnd(hbc);
  if (hr != S_OK) good = failed("DsRestoreEnd", hr);
  printf(good ? "the restore is complete: start the directory in normal mode\n" : "the restore failed\n");
  return good ? 0 : 1;
}
