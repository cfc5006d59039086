# Functions over dsbackup.exe. Each calls the command with --json and returns what it prints as objects. A failed
# command is a terminating error with the command's own words; its exit code is the TargetObject of the error.

Set-StrictMode -Version 2.0

# dsbackup.exe: $env:DSBACKUP_EXE, the one in the folder above this module, or the one in the path of programs.
function Get-DsbackupProgram {
    if ($env:DSBACKUP_EXE -match '[\\/]') {
        return $ExecutionContext.SessionState.Path.GetUnresolvedProviderPathFromPSPath($env:DSBACKUP_EXE)
    }
    if ($env:DSBACKUP_EXE) { return $env:DSBACKUP_EXE }
    $beside = Join-Path -Path (Split-Path -Path $PSScriptRoot -Parent) -ChildPath 'dsbackup.exe'
    if (Test-Path -LiteralPath $beside -PathType Leaf) { return $beside }
    $found = @(Get-Command -Name 'dsbackup' -CommandType Application -ErrorAction Stop)
    return $found[0].Definition
}

# A word as programs read it from their command line: in quotes, with a backslash before each quote within, and
# backslashes before a quote doubled.
function ConvertTo-QuotedWord {
    param([string] $Word)

    $inner = $Word -replace '(\\*)"', '$1$1\"' -replace '(\\+)$', '$1$1'
    return '"' + $inner + '"'
}

# Runs a command of dsbackup. $Accepted: the exit codes that are results, not failures. $Nothing: 3 is one, too, if
# an empty list is printed. Not by the operator &: that
# quotes words and reads output in other ways in each version of PowerShell, and in a session without a console.
function Invoke-Dsbackup {
    param([string] $Command, [string[]] $Arguments = @(), [int[]] $Accepted = @(0), [switch] $Nothing)

    # --json first, since no word behind "--" is an option.
    $words = @(@($Command, '--json') + $Arguments | ForEach-Object { ConvertTo-QuotedWord -Word $_ })
    $start = New-Object -TypeName System.Diagnostics.ProcessStartInfo
    $start.FileName = Get-DsbackupProgram
    $start.Arguments = $words -join ' '
    $start.WorkingDirectory = (Get-Location -PSProvider FileSystem).ProviderPath
    $start.UseShellExecute = $false
    $start.RedirectStandardOutput = $true
    $start.RedirectStandardError = $true
    $start.StandardOutputEncoding = [System.Text.Encoding]::UTF8
    $start.StandardErrorEncoding = [System.Text.Encoding]::UTF8
    $process = [System.Diagnostics.Process]::Start($start)
    # Both at once, so that neither waits for the other to be read.
    $errors = $process.StandardError.ReadToEndAsync()
    $text = $process.StandardOutput.ReadToEnd()
    $process.WaitForExit()
    $code = $process.ExitCode
    $said = @($errors.Result -split '\r?\n' | Where-Object { $_ })
    $isNothing = $Nothing -and $code -eq 3 -and ($text -replace '\s') -eq '[]'
    if ($Accepted -notcontains $code -and -not $isNothing) {
        $message = "dsbackup ended with exit code ${code}: " + ($said -join "`n")
        $exception = New-Object -TypeName System.InvalidOperationException -ArgumentList $message
        $category = [System.Management.Automation.ErrorCategory]::InvalidResult
        $record = New-Object -TypeName System.Management.Automation.ErrorRecord `
            -ArgumentList $exception, 'DsbackupFailed', $category, $code
        throw $record
    }
    foreach ($line in $said) { Write-Warning -Message $line }
    if ($text.Trim()) { $text | ConvertFrom-Json }
}

# The options of the repository, where they are not in the environment (DSBACKUP_REPOSITORY, DSBACKUP_PASSWORD_FILE).
function Get-RepositoryOption {
    param([string] $Repository, [string] $PasswordFile)

    if ($Repository) { '--repository', $Repository }
    if ($PasswordFile) { '--password-file', $PasswordFile }
}

<#
.SYNOPSIS
Backs up this computer's domain controller, or another directory, into a repository.
.DESCRIPTION
Without -Directory, -IfmFolder and -Server: the domain controller of this computer. Returns the snapshot.
.EXAMPLE
Backup-Directory -Repository D:\backup -PasswordFile D:\password
#>
function Backup-Directory {
    [CmdletBinding(DefaultParameterSetName = 'Ntds')]
    param(
        [string] $Repository,
        [string] $PasswordFile,
        # Copy by a shadow copy, which keeps the logs, instead of ntdsutil's "Install From Media".
        [Parameter(ParameterSetName = 'Ntds')] [switch] $ShadowCopy,
        # The folder of a directory that does not run.
        [Parameter(Mandatory = $true, ParameterSetName = 'Folder')] [string] $Directory,
        # A folder made by ntdsutil.
        [Parameter(Mandatory = $true, ParameterSetName = 'Ifm')] [string] $IfmFolder,
        # A backup service on another computer.
        [Parameter(Mandatory = $true, ParameterSetName = 'Server')] [string] $Server,
        [string[]] $Tag = @()
    )

    $arguments = @(Get-RepositoryOption -Repository $Repository -PasswordFile $PasswordFile)
    switch ($PSCmdlet.ParameterSetName) {
        'Ntds' { $arguments += '--ntds' }
        'Folder' { $arguments += '--directory', $Directory }
        'Ifm' { $arguments += '--ifm', $IfmFolder }
        'Server' { $arguments += '--server', $Server }
    }
    if ($ShadowCopy) { $arguments += '--shadow-copy' }
    foreach ($word in $Tag) { $arguments += '--tag', $word }
    Invoke-Dsbackup -Command 'backup' -Arguments $arguments
}

<#
.SYNOPSIS
Lists the backups in a repository.
.EXAMPLE
Get-DirectoryBackup | Where-Object { -not $_.expired } | Sort-Object -Property time
#>
function Get-DirectoryBackup {
    [CmdletBinding()]
    param([string] $Repository, [string] $PasswordFile)

    $arguments = @(Get-RepositoryOption -Repository $Repository -PasswordFile $PasswordFile)
    Invoke-Dsbackup -Command 'snapshots' -Arguments $arguments -Nothing | ForEach-Object { $_ }
}

<#
.SYNOPSIS
Compares two directories: what was added, changed, moved and deleted.
.DESCRIPTION
Each is a snapshot (its id, latest, a time), a database, an IFM folder, an image of a disk, or a running server
(ldap://...).
.EXAMPLE
Compare-Directory -Before 3f9a1c2b -After latest -Base 'OU=Sales,DC=corp,DC=example'
#>
function Compare-Directory {
    [CmdletBinding()]
    param(
        [Parameter(Mandatory = $true, Position = 0)] [string] $Before,
        [Parameter(Mandatory = $true, Position = 1)] [string] $After,
        [string] $Base,
        [string[]] $Class = @(),
        [string[]] $Attribute = @(),
        [string] $Repository,
        [string] $PasswordFile
    )

    $arguments = @(Get-RepositoryOption -Repository $Repository -PasswordFile $PasswordFile)
    if ($Base) { $arguments += '--base', $Base }
    foreach ($name in $Class) { $arguments += '--class', $name }
    foreach ($name in $Attribute) { $arguments += '--attribute', $name }
    Invoke-Dsbackup -Command 'diff' -Arguments ($arguments + @('--', $Before, $After))
}

<#
.SYNOPSIS
Brings objects of a backup back into a running server.
.DESCRIPTION
-WhatIf returns the plan and writes nothing. Exit code 3 of the command, an incomplete restore, is a result: what is not
as it was is listed in it.
.EXAMPLE
Restore-DirectoryObject -Source latest -Identity alice -Server ldaps://dc1.corp.example -WhatIf
#>
function Restore-DirectoryObject {
    [CmdletBinding(SupportsShouldProcess = $true, ConfirmImpact = 'High')]
    param(
        [Parameter(Mandatory = $true)] [string] $Source,
        # Distinguished names, GUIDs, SIDs, user principal names or account names.
        [Parameter(Mandatory = $true, ValueFromPipeline = $true)] [string[]] $Identity,
        # The running server (ldap://...).
        [Parameter(Mandatory = $true)] [string] $Server,
        [switch] $Subtree,
        [string[]] $Attribute = @(),
        [string] $Journal,
        [string] $Repository,
        [string] $PasswordFile
    )

    begin { $objects = @() }
    process { $objects += $Identity }
    end {
        $arguments = @(Get-RepositoryOption -Repository $Repository -PasswordFile $PasswordFile) + @('--to', $Server)
        if ($Subtree) { $arguments += '--subtree' }
        if ($Attribute) { $arguments += '--attributes', ($Attribute -join ',') }
        if ($Journal) { $arguments += '--journal', $Journal }
        $writes = $PSCmdlet.ShouldProcess($Server, "restore of $($objects -join ', ') from $Source")
        if (-not $writes -and -not $WhatIfPreference) { return }
        if ($writes) { $arguments += '--yes' } else { $arguments += '--dry-run' }
        Invoke-Dsbackup -Command 'restore-objects' -Arguments ($arguments + @('--', $Source) + $objects) -Accepted 0, 3
    }
}
