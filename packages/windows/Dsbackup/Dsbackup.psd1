@{
    RootModule           = 'Dsbackup.psm1'
    ModuleVersion        = '0.1.0'
    GUID                 = '5d2b8a36-0c7e-4f0b-9a51-6e1f4c3d8b27'
    Author               = 'The dsbackup authors'
    CompanyName          = 'dsbackup'
    Copyright            = 'MIT or Apache-2.0'
    Description          = 'Backs up Active Directory domain controllers, compares their backups, restores objects.'
    PowerShellVersion    = '5.1'
    CompatiblePSEditions = @('Desktop', 'Core')
    FunctionsToExport    = @(
        'Backup-Directory', 'Get-DirectoryBackup', 'Compare-Directory', 'Restore-DirectoryObject'
    )
    CmdletsToExport      = @()
    VariablesToExport    = @()
    AliasesToExport      = @()
}
