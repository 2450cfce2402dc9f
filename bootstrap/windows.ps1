#Requires -Version 5.1
#Requires -RunAsAdministrator
<#
.SYNOPSIS
Prepares Windows for the deploy, once, as administrator. Running it again renews everything: the ports, the owner
and the distribution of the last time hold on where nothing else is said.

.DESCRIPTION
The deploy runs inside WSL and must not become administrator of Windows. What needs an administrator is done
here, or by door.ps1, which a scheduled task runs. This script
  1. puts door.ps1 and the allowed ports into a folder that only administrators may write, makes the folder into
     which the owner of the distribution writes requests, and registers the task "dify-vllm-deploy door", which
     the owner may start, but not change;
  2. with -PublicKey: installs Windows' own OpenSSH server, lets that key in as the owner, and opens port 22 to
     the local subnet;
  3. installs WSL and the distribution where they are missing;
  4. registers the task "dify-vllm-deploy hold", which starts the distribution when Windows starts, nobody need
     log in, and again within a minute whenever it has ended. It runs as the owner without elevation: whatever
     starts a distribution elevated makes everything in it administrator of Windows.

From an elevated PowerShell, in the folder of the project:
  powershell -ExecutionPolicy Bypass -File bootstrap\windows.ps1 -AllowedPorts 81

Parsed by the project's tests; not run on a real Windows yet.

.PARAMETER AllowedPorts
TCP ports on which Windows may forward and let others in, separated by commas, besides those that were allowed
before. Nothing inside WSL can add one.

.PARAMETER ReplacePorts
Allow the ports of -AllowedPorts alone, and none that was allowed before.

.PARAMETER Owner
The Windows account whose distribution Dify runs in; at first the one that runs this. To be given when another
account is the administrator. One that is no administrator needs the right "Log on as a batch job" (secpol.msc)
for the second task.

.PARAMETER Distribution
The name of that distribution, as "wsl --list" shows it. Left out, it is the owner's default one; where the
owner has none, Debian is installed.

.PARAMETER PublicKey
A line of a .pub file, in quotes, that may log in by ssh as the owner. Where that is an administrator, as any
administrator: so Windows does it. Left out, ssh is not touched.
#>
[CmdletBinding()]
param(
    # Text, since -File hands a list over as text, and "81,443" is a number in some languages.
    [string] $AllowedPorts,
    [switch] $ReplacePorts,
    [string] $Owner,
    [ValidatePattern('\A[A-Za-z0-9._-]*\z')] [string] $Distribution,
    [ValidatePattern('\A((ssh|ecdsa)-[a-z0-9-]+ [A-Za-z0-9+/=]+( [^\r\n]*)?)?\z')] [string] $PublicKey
)
Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'

$TaskName = 'dify-vllm-deploy door'
$HoldTaskName = 'dify-vllm-deploy hold'
$Folder = Join-Path $env:ProgramFiles 'dify-vllm-deploy'
$Mailbox = Join-Path $env:ProgramData 'dify-vllm-deploy'
$SettingsFile = Join-Path $Folder 'settings.json'

$kept = $null
if (Test-Path -LiteralPath $SettingsFile) { $kept = [IO.File]::ReadAllText($SettingsFile) | ConvertFrom-Json }
function Get-Kept([string] $Name) {
    if ($null -ne $kept -and $kept.PSObject.Properties[$Name]) { return $kept.$Name }
}

$ports = @($AllowedPorts -split '[,\s]+' | Where-Object { $_ } | ForEach-Object { [int] $_ })
if (-not $ReplacePorts) { $ports += @(Get-Kept 'allowed_ports') }
$ports = [int[]] @($ports | Sort-Object -Unique)
if (@($ports | Where-Object { $_ -lt 1 -or $_ -gt 65535 }).Count) { throw 'AllowedPorts: numbers from 1 to 65535' }

$me = [Security.Principal.WindowsIdentity]::GetCurrent().User
if (-not $Owner) { $Owner = Get-Kept 'owner' }
if ($Owner) { $account = ([Security.Principal.NTAccount] $Owner).Translate([Security.Principal.SecurityIdentifier]) }
else { $account = $me }
$ownerSid = $account.Value
$Owner = $account.Translate([Security.Principal.NTAccount]).Value  # however it was spelled

function Get-Distributions {
    # Distributions belong to an account; "wsl --list" would tell this one's, and in UTF-16.
    $key = "Registry::HKEY_USERS\$ownerSid\Software\Microsoft\Windows\CurrentVersion\Lxss"
    if (-not (Test-Path -LiteralPath $key)) { return }
    $default = (Get-Item -LiteralPath $key).GetValue('DefaultDistribution')
    Get-ChildItem -LiteralPath $key | Sort-Object { $_.PSChildName -ne $default } |
        ForEach-Object { $_.GetValue('DistributionName') } | Where-Object { $_ }
}

if (-not $Distribution -and (Get-Kept 'owner') -eq $Owner) { $Distribution = Get-Kept 'distribution' }
if (-not $Distribution) { $Distribution = @(@(Get-Distributions) + 'Debian')[0] }

function New-GuardedFolder([string] $Path, [string] $Descriptor) {
    # Anybody may make a folder in ProgramData: one that is a link would lead the new rights somewhere else.
    $made = New-Item -ItemType Directory -Force -Path $Path
    if ($made.Attributes -band [IO.FileAttributes]::ReparsePoint) { throw "$Path is a link; remove it first" }
    $acl = New-Object Security.AccessControl.DirectorySecurity
    $acl.SetSecurityDescriptorSddlForm($Descriptor, 'Owner, Group, Access')
    Set-Acl -LiteralPath $Path -AclObject $acl
}

# Rights as SDDL, because the names of groups are translated on a Windows of another language: owned by
# administrators (BA), nothing inherited; full rights for SYSTEM (SY) and administrators; users (BU) may read; in
# the mailbox the owner may change files.
$guarded = 'O:BAG:BAD:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)'
New-GuardedFolder $Folder ($guarded + '(A;OICI;0x1200a9;;;BU)')
New-GuardedFolder $Mailbox ($guarded + "(A;OICI;0x1301bf;;;$ownerSid)")

Copy-Item -LiteralPath (Join-Path $PSScriptRoot 'door.ps1') -Destination $Folder -Force
$settings = @{ version = 1; allowed_ports = $ports; owner = $Owner; distribution = $Distribution }
[IO.File]::WriteAllText($SettingsFile, (ConvertTo-Json $settings))

# SYSTEM and not the owner's account with highest rights: that one would read environment variables, a profile
# and class registrations which the owner's unelevated programs can write.
$powershell = Join-Path $env:SystemRoot 'System32\WindowsPowerShell\v1.0\powershell.exe'
$arguments = '-NoProfile -NonInteractive -ExecutionPolicy Bypass -File "{0}"' -f (Join-Path $Folder 'door.ps1')
$system = New-ScheduledTaskPrincipal -UserId 'S-1-5-18' -LogonType ServiceAccount -RunLevel Highest
$limits = New-ScheduledTaskSettingsSet -MultipleInstances Queue -ExecutionTimeLimit (New-TimeSpan -Minutes 2) `
    -AllowStartIfOnBatteries -DontStopIfGoingOnBatteries
Register-ScheduledTask -Force -TaskName $TaskName -Settings $limits `
    -Description 'Forwards ports to Dify in WSL and lets others in on them, on request of the deploy; see door.ps1.' `
    -Action (New-ScheduledTaskAction -Execute $powershell -Argument $arguments) -Principal $system | Out-Null

function Grant-Start([string] $Name) {
    # Generic read and execute: the owner may see and start the task, not change it.
    $service = New-Object -ComObject Schedule.Service
    $service.Connect()
    $task = $service.GetFolder('\').GetTask($Name)
    $task.SetSecurityDescriptor("D:P(A;;GA;;;SY)(A;;GA;;;BA)(A;;GRGX;;;$ownerSid)", 0)
}

Grant-Start $TaskName
$listed = if ($ports) { $ports -join ', ' } else { 'no port' }
Write-Output "The door is built: $Owner may have TCP $listed forwarded to WSL and others let in there."

function Add-Key {
    # Windows takes administrators' keys from one file, those of others from their profiles.
    $administrators = @($me.Value)
    if ($ownerSid -ne $me.Value) {
        # By the group's number: its name is translated.
        $administrators += Get-CimInstance Win32_Group -Filter "LocalAccount = TRUE AND SID = 'S-1-5-32-544'" |
            Get-CimAssociatedInstance -Association Win32_GroupUser | ForEach-Object { $_.SID }
    }
    $rights = 'O:BAG:BAD:PAI(A;;FA;;;SY)(A;;FA;;;BA)'
    if ($administrators -contains $ownerSid) {
        $keys = Join-Path $env:ProgramData 'ssh\administrators_authorized_keys'
    }
    else {
        $profiles = 'HKLM:\SOFTWARE\Microsoft\Windows NT\CurrentVersion\ProfileList'
        if (-not (Test-Path -LiteralPath "$profiles\$ownerSid")) { throw "$Owner has to log in once first" }
        $own = (Get-Item -LiteralPath "$profiles\$ownerSid").GetValue('ProfileImagePath')
        $keys = Join-Path $own '.ssh\authorized_keys'
        $rights += "(A;;FA;;;$ownerSid)"
    }
    $parent = Split-Path $keys
    New-Item -ItemType Directory -Force -Path $parent | Out-Null
    foreach ($item in @(Get-Item -LiteralPath $parent, $keys -Force -ErrorAction SilentlyContinue)) {
        # Its owner could have it lead this administrator's hand to any file.
        if ($item.LinkType) { throw "$($item.FullName) is a link; remove it first" }
    }
    $lines = @()
    if (Test-Path -LiteralPath $keys) { $lines = @([IO.File]::ReadAllLines($keys)) }
    if ($lines -cnotcontains $PublicKey) { $lines += $PublicKey }
    # Made among administrators and put in place whole. The server ignores a file that anybody else may write.
    $fresh = Join-Path $Folder 'authorized_keys.new'
    [IO.File]::WriteAllLines($fresh, [string[]] $lines)
    $acl = New-Object Security.AccessControl.FileSecurity
    $acl.SetSecurityDescriptorSddlForm($rights, 'Owner, Group, Access')
    Set-Acl -LiteralPath $fresh -AclObject $acl
    Move-Item -LiteralPath $fresh -Destination $keys -Force
}

function Install-Ssh {
    $server = Get-WindowsCapability -Online -Name 'OpenSSH.Server*' | Select-Object -First 1
    if ($server.State -ne 'Installed') {
        Add-WindowsCapability -Online -Name $server.Name | Out-Null
        # Comes with the server and lets every address in; ours follows.
        Disable-NetFirewallRule -Name 'OpenSSH-Server-In-TCP' -ErrorAction SilentlyContinue
    }
    Set-Service sshd -StartupType Automatic
    Start-Service sshd  # makes its folder when it starts for the first time
    Add-Key
    Remove-NetFirewallRule -Name 'dify-vllm-deploy-ssh' -ErrorAction SilentlyContinue
    New-NetFirewallRule -Name 'dify-vllm-deploy-ssh' -DisplayName 'ssh for dify-vllm-deploy' -Direction Inbound `
        -Protocol TCP -LocalPort 22 -RemoteAddress LocalSubnet -Action Allow | Out-Null
    Write-Output "The OpenSSH server lets the key in as $Owner, from the local subnet."
}

if ($PublicKey) { Install-Ssh }

# The one of the installer first: the one from the Store does not start where nobody is logged in.
$wsl = @("$env:ProgramFiles\WSL\wsl.exe", "$env:SystemRoot\System32\wsl.exe") |
    Where-Object { Test-Path -LiteralPath $_ } | Select-Object -First 1
if (@(Get-Distributions) -notcontains $Distribution) {
    if ($ownerSid -ne $me.Value) {
        throw "$Owner has no distribution $Distribution. Log in as $Owner, run: wsl --install -d $Distribution"
    }
    # Installed, not started: this window is elevated.
    & $wsl --install --distribution $Distribution --no-launch
    if (@(Get-Distributions) -notcontains $Distribution) {
        Write-Output 'Restart Windows, start the distribution once, and run this script again.'
        exit 3010
    }
}

# No password is kept (S4U). "Limited" is the owner's token without an administrator's rights. The first thing
# that it does is to switch systemd on where nobody has decided; the next start heeds it.
$command = "grep -qsi '^[[:space:]]*systemd' /etc/wsl.conf || printf '\n[boot]\nsystemd=true\n' >>/etc/wsl.conf; " +
    'exec sleep infinity'
$hold = New-ScheduledTaskAction -Execute $wsl `
    -Argument ('--distribution {0} --user root --exec sh -c "{1}"' -f $Distribution, $command)
$unelevated = New-ScheduledTaskPrincipal -UserId $Owner -LogonType S4U -RunLevel Limited
# Started every minute, and not again while it runs: a task is not restarted when its program merely ends.
$triggers = @(
    (New-ScheduledTaskTrigger -AtStartup),
    (New-ScheduledTaskTrigger -AtLogOn -User $Owner),
    (New-ScheduledTaskTrigger -Once -At (Get-Date) -RepetitionInterval (New-TimeSpan -Minutes 1))
)
$forever = New-ScheduledTaskSettingsSet -MultipleInstances IgnoreNew -ExecutionTimeLimit ([TimeSpan]::Zero) `
    -StartWhenAvailable -AllowStartIfOnBatteries -DontStopIfGoingOnBatteries
Register-ScheduledTask -Force -TaskName $HoldTaskName -Settings $forever -Trigger $triggers `
    -Description 'Starts the WSL distribution that Dify runs in, and keeps it from stopping.' `
    -Action $hold -Principal $unelevated | Out-Null
Grant-Start $HoldTaskName
Start-ScheduledTask -TaskName $HoldTaskName
Write-Output "$Distribution starts with Windows as $Owner, without an administrator's rights, and stays up."
