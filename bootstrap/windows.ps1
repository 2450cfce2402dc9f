#Requires -Version 5.1
#Requires -RunAsAdministrator
<#
.SYNOPSIS
Prepares Windows for the deploy, once, as administrator. Running it again renews everything.

.DESCRIPTION
The deploy runs inside WSL and must not become administrator of Windows. What needs an administrator is done
here, or by door.ps1, which a scheduled task runs. This script
  1. puts door.ps1 and the allowed ports into a folder that only administrators may write, makes the folder into
     which the owner of the distribution writes requests, and registers the task "dify-vllm-deploy door", which
     the owner may start, but not change;
  2. with -PublicKey: installs Windows' own OpenSSH server, lets that key in, and opens port 22 to the local
     subnet;
  3. installs WSL and the distribution where they are missing;
  4. registers the task "dify-vllm-deploy hold", which starts the distribution when Windows starts, nobody need
     log in, and again within a minute whenever it has ended. It runs as the owner without elevation: whatever
     starts a distribution elevated makes everything in it administrator of Windows.

From an elevated PowerShell, in the folder of the project:
  powershell -ExecutionPolicy Bypass -File bootstrap\windows.ps1 -AllowedPorts 81

Parsed by the project's tests; not run on a real Windows yet.

.PARAMETER AllowedPorts
TCP ports on which Windows may forward and let others in, separated by commas. Nothing inside WSL can add one.

.PARAMETER Owner
The Windows account whose distribution Dify runs in. To be given when another account is the administrator. An
account that is no administrator needs the right "Log on as a batch job" (secpol.msc) for the second task.

.PARAMETER Distribution
The name of that distribution, as "wsl --list" shows it. Left out, it is the owner's default one; where the
owner has none, Debian is installed.

.PARAMETER PublicKey
A line of an .pub file, in quotes, that may log in by ssh as an administrator. Left out, ssh is not touched.
#>
[CmdletBinding()]
param(
    # Text, since -File hands a list over as text, and "81,443" is a number in some languages.
    [Parameter(Mandatory = $true)] [string] $AllowedPorts,
    [string] $Owner = [Security.Principal.WindowsIdentity]::GetCurrent().Name,
    [ValidatePattern('\A[A-Za-z0-9._-]*\z')] [string] $Distribution,
    [ValidatePattern('\A((ssh|ecdsa)-[a-z0-9-]+ [A-Za-z0-9+/=]+( [^\r\n]*)?)?\z')] [string] $PublicKey
)
Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'

$TaskName = 'dify-vllm-deploy door'
$HoldTaskName = 'dify-vllm-deploy hold'
$Folder = Join-Path $env:ProgramFiles 'dify-vllm-deploy'
$Mailbox = Join-Path $env:ProgramData 'dify-vllm-deploy'

$ports = [int[]] @($AllowedPorts -split '[,\s]+' | Where-Object { $_ } | Sort-Object { [int] $_ } -Unique)
if (-not $ports -or $ports[0] -lt 1 -or $ports[-1] -gt 65535) { throw 'AllowedPorts: numbers from 1 to 65535' }
$ownerSid = ([Security.Principal.NTAccount] $Owner).Translate([Security.Principal.SecurityIdentifier]).Value

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
$settings = ConvertTo-Json @{ version = 1; allowed_ports = $ports }
[IO.File]::WriteAllText((Join-Path $Folder 'settings.json'), $settings)

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
Write-Output "The door is built: $Owner may have TCP $($ports -join ', ') forwarded to WSL and others let in there."

function Install-Ssh {
    $server = Get-WindowsCapability -Online -Name 'OpenSSH.Server*' | Select-Object -First 1
    if ($server.State -ne 'Installed') {
        Add-WindowsCapability -Online -Name $server.Name | Out-Null
        # Comes with the server and lets every address in; ours follows.
        Disable-NetFirewallRule -Name 'OpenSSH-Server-In-TCP' -ErrorAction SilentlyContinue
    }
    Set-Service sshd -StartupType Automatic
    Start-Service sshd  # makes its folder when it starts for the first time
    $keys = Join-Path $env:ProgramData 'ssh\administrators_authorized_keys'
    $lines = @()
    if (Test-Path -LiteralPath $keys) { $lines = @([IO.File]::ReadAllLines($keys)) }
    if ($lines -cnotcontains $PublicKey) { [IO.File]::WriteAllLines($keys, [string[]] ($lines + $PublicKey)) }
    # The server ignores the file when anybody else may write it.
    $acl = New-Object Security.AccessControl.FileSecurity
    $acl.SetSecurityDescriptorSddlForm('O:BAG:BAD:PAI(A;;FA;;;SY)(A;;FA;;;BA)', 'Owner, Group, Access')
    Set-Acl -LiteralPath $keys -AclObject $acl
    Remove-NetFirewallRule -Name 'dify-vllm-deploy-ssh' -ErrorAction SilentlyContinue
    New-NetFirewallRule -Name 'dify-vllm-deploy-ssh' -DisplayName 'ssh for dify-vllm-deploy' -Direction Inbound `
        -Protocol TCP -LocalPort 22 -RemoteAddress LocalSubnet -Action Allow | Out-Null
    Write-Output 'The OpenSSH server lets the key in, from the local subnet.'
}

if ($PublicKey) { Install-Ssh }

function Get-Distributions {
    # Distributions belong to an account; "wsl --list" would tell this one's, and in UTF-16.
    $key = "Registry::HKEY_USERS\$ownerSid\Software\Microsoft\Windows\CurrentVersion\Lxss"
    if (-not (Test-Path -LiteralPath $key)) { return }
    $default = (Get-Item -LiteralPath $key).GetValue('DefaultDistribution')
    Get-ChildItem -LiteralPath $key | Sort-Object { $_.PSChildName -ne $default } |
        ForEach-Object { $_.GetValue('DistributionName') } | Where-Object { $_ }
}

# The one of the installer first: the one from the Store does not start where nobody is logged in.
$wsl = @("$env:ProgramFiles\WSL\wsl.exe", "$env:SystemRoot\System32\wsl.exe") |
    Where-Object { Test-Path -LiteralPath $_ } | Select-Object -First 1
$known = @(Get-Distributions)
if (-not $Distribution) { $Distribution = @($known + 'Debian')[0] }
if ($known -notcontains $Distribution) {
    if ($ownerSid -ne [Security.Principal.WindowsIdentity]::GetCurrent().User.Value) {
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
