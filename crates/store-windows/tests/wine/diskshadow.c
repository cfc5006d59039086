/* The diskshadow.exe of the tests. Takes a script (/s FILE) and demands the commands of a backup in their order.
   To expose a shadow copy, it has Wine give a drive letter to the prepared folder of a volume: the host's folder
   SHADOWS has one for each. DISKSHADOW_TEST = "refuse" makes a writer fail. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>
#include <winioctl.h>

static int fail(const char *why, const char *line) {
  printf("The command is not correct: %s: %s\n", why, line);
  return 1;
}

/* What Wine's mount manager takes to define a drive, and to remove one (type DRIVE_NO_ROOT_DIR). */
struct unix_drive {
  ULONG size, type, fs_type;
  DWORD serial;
  ULONGLONG unix_dev;
  WCHAR letter;
  USHORT mount_point_offset, device_offset, label_offset;
  char mount_point[512];
};

static int define(char letter, DWORD type, const char *mount_point) {
  struct unix_drive drive = {.size = sizeof drive, .type = type, .letter = letter};
  DWORD code = CTL_CODE('m', 32, METHOD_BUFFERED, FILE_READ_ACCESS | FILE_WRITE_ACCESS);
  DWORD length;
  HANDLE manager = CreateFileA("\\\\.\\MountPointManager", GENERIC_READ | GENERIC_WRITE,
                               FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, OPEN_EXISTING, 0, NULL);
  BOOL defined;
  if (mount_point) {
    drive.mount_point_offset = offsetof(struct unix_drive, mount_point);
    snprintf(drive.mount_point, sizeof drive.mount_point, "%s", mount_point);
  }
  defined = DeviceIoControl(manager, code, &drive, sizeof drive, NULL, 0, &length, NULL);
  CloseHandle(manager);
  return defined;
}

int main(int count, char **arguments) {
  char line[512], path[512], alias, letter;
  int persistent = 0, verified = 0, began = 0, added = 0, created = 0;
  const char *shadows = getenv("SHADOWS");
  FILE *script = count == 3 && !strcmp(arguments[1], "/s") ? fopen(arguments[2], "r") : NULL;
  if (!script || !shadows)
    return fail("no script", "");
  while (fgets(line, sizeof line, script)) {
    line[strcspn(line, "\r\n")] = 0;
    printf("-> %s\n", line);
    if (!strcmp(line, "SET CONTEXT PERSISTENT"))
      persistent = 1;
    else if (!strncmp(line, "SET ", 4))
      continue;
    else if (!strcmp(line, "WRITER VERIFY {b2014c9e-8711-4c5c-a5a9-3cf384484757}"))
      verified = 1;
    else if (!strcmp(line, "BEGIN BACKUP"))
      began = 1;
    else if (sscanf(line, "ADD VOLUME %c: ALIAS dsbackup_%c", &letter, &alias) == 2 && letter == alias)
      added = 1;
    else if (!strcmp(line, "CREATE")) {
      const char *ill = getenv("DISKSHADOW_TEST");
      if (!persistent || !verified || !began || !added)
        return fail("CREATE is too early", line);
      if (ill && !strcmp(ill, "refuse")) {
        printf("The writer {b2014c9e-8711-4c5c-a5a9-3cf384484757} is not present in the backup.\n");
        return 2;
      }
      created = 1;
    } else if (sscanf(line, "EXPOSE %%dsbackup_%c%% %c:", &alias, &letter) == 2) {
      if (!created)
        return fail("there is no shadow copy", line);
      snprintf(path, sizeof path, "%s/%c", shadows, alias);
      if (!define(letter, DRIVE_FIXED, path))
        return fail("the drive cannot be defined", line);
    } else if (!strcmp(line, "END BACKUP")) {
      if (!created)
        return fail("nothing began", line);
    } else if (sscanf(line, "DELETE SHADOWS EXPOSED %c:", &letter) == 1) {
      if (!define(letter, DRIVE_NO_ROOT_DIR, NULL))
        return fail("the drive cannot be removed", line);
    } else
      return fail("unknown", line);
  }
  return 0;
}
