/* The ntdsutil.exe of the tests. Takes the prompts of "ifm, create sysvol full" as its arguments, says what the tool
   says, and copies a prepared folder (C:\lab\ifm). NTDSUTIL_TEST makes it fail as the tool fails: "refuse" (with an
   exit code of 0, as it mostly is), "crash", "hang", "half" (no registry), "cut" (a database cut off). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

static const char *source = "C:\\lab\\ifm";
static const char *ill = "";

/* Copies a folder; of files, at most `limit` bytes where that is not 0. */
static void copy(const char *from, const char *to, long limit) {
  char pattern[1024], source_path[1024], target_path[1024];
  WIN32_FIND_DATAA found;
  HANDLE search;
  CreateDirectoryA(to, NULL);
  snprintf(pattern, sizeof pattern, "%s\\*", from);
  search = FindFirstFileA(pattern, &found);
  if (search == INVALID_HANDLE_VALUE)
    exit(9);
  do {
    if (!strcmp(found.cFileName, ".") || !strcmp(found.cFileName, ".."))
      continue;
    snprintf(source_path, sizeof source_path, "%s\\%s", from, found.cFileName);
    snprintf(target_path, sizeof target_path, "%s\\%s", to, found.cFileName);
    if (found.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY) {
      copy(source_path, target_path, limit);
      continue;
    }
    CopyFileA(source_path, target_path, TRUE);
    if (limit) {
      HANDLE file = CreateFileA(target_path, GENERIC_WRITE, 0, NULL, OPEN_EXISTING, 0, NULL);
      SetFilePointer(file, limit, NULL, FILE_BEGIN);
      SetEndOfFile(file);
      CloseHandle(file);
    }
  } while (FindNextFileA(search, &found));
  FindClose(search);
}

static void part(const char *folder, const char *name, long limit) {
  char from[1024], to[1024];
  snprintf(from, sizeof from, "%s\\%s", source, name);
  snprintf(to, sizeof to, "%s\\%s", folder, name);
  copy(from, to, limit);
}

int main(int count, char **arguments) {
  const char *create = "create sysvol full ";
  const char *folder;
  if (getenv("NTDSUTIL_TEST"))
    ill = getenv("NTDSUTIL_TEST");
  setvbuf(stdout, NULL, _IONBF, 0);
  if (count != 6 || strcmp(arguments[1], "activate instance ntds") || strcmp(arguments[2], "ifm") ||
      strncmp(arguments[3], create, strlen(create)) || strcmp(arguments[4], "quit") || strcmp(arguments[5], "quit")) {
    printf("Error parsing Input - Invalid Syntax.\n");
    return 0;
  }
  folder = arguments[3] + strlen(create);
  if (*folder == '"' && folder[strlen(folder) - 1] == '"') {
    arguments[3][strlen(arguments[3]) - 1] = 0;
    folder++;
  } else if (strchr(folder, ' ')) {
    printf("Error parsing Input - Invalid Syntax.\n");
    return 0;
  }
  if (GetFileAttributesA(folder) != INVALID_FILE_ATTRIBUTES) {
    printf("The folder is not empty.\n");
    return 0;
  }
  printf("ntdsutil: activate instance ntds\nActive instance set to \"ntds\".\nntdsutil: ifm\nifm: %s\n", arguments[3]);
  printf("Creating snapshot...\n");
  if (!strcmp(ill, "hang"))
    Sleep(INFINITE);
  if (!strcmp(ill, "refuse")) {
    printf("Error 0x80042302: a component of the Volume Shadow Copy Service failed.\n");
    return 0;
  }
  printf("Snapshot set {c8be1510-b7b9-426b-b1d2-b160b8398afe} generated successfully.\n");
  CreateDirectoryA(folder, NULL);
  printf("Initiating DEFRAGMENTATION mode...\n     Target Database: %s\\Active Directory\\ntds.dit\n", folder);
  part(folder, "Active Directory", strcmp(ill, "cut") ? 0 : 1 << 20);
  if (!strcmp(ill, "crash"))
    return (int)0xC0000005;
  if (!strcmp(ill, "half")) {
    printf("There is not enough space on the disk.\n");
    return 0;
  }
  printf("Copying SYSVOL...\n");
  part(folder, "SYSVOL", 0);
  printf("Copying registry files...\n");
  part(folder, "registry", 0);
  printf("IFM media created successfully in %s\nifm: quit\nntdsutil: quit\n", folder);
  return 0;
}
