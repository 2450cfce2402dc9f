#Requires -Version 5.1
#Requires -RunAsAdministrator
<#
.SYNOPSIS
Builds the elevated door, once, as administrator. Running it again renews it.

.DESCRIPTION
The deploy runs inside WSL and must not become administrator of Windows. The one thing that it needs an
administrator for, forwarding a port, is done by door.ps1, which a scheduled task runs. This script
  1. puts door.ps1 and the allowed ports into a folder that only administrators may write,
  2. makes the folder into which the owner of the distribution writes requests,
  3. registers the task, and lets its owner start it, but not change it.

From an elevated PowerShell, in the folder of the project:
  powershell -ExecutionPolicy Bypass -File bootstrap\windows.ps1 -AllowedPorts 81

Parsed by the project's tests; not run on a real Windows yet.

.PARAMETER AllowedPorts
TCP ports on which Windows may forward, separated by commas. Nothing inside WSL can add one.

.PARAMETER Owner
The Windows account whose distribution Dify runs in. To be given when another account is the administrator.
#>
[CmdletBinding()]
param(
    # Text, since -File hands a list over as text, and "81,443" is a number in some languages.
    [Parameter(Mandatory = $true)] [string] $AllowedPorts,
    [string] $Owner = [Security.Principal.WindowsIdentity]::GetCurrent().Name
)
Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'

$TaskName = 'dify-vllm-deploy door'
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
    -Description 'Forwards ports of Windows to Dify in WSL, on request of the deploy; see door.ps1.' `
    -Action (New-ScheduledTaskAction -Execute $powershell -Argument $arguments) -Principal $system | Out-Null

# Generic read and execute: the owner may see and start the task, not change it.
$service = New-Object -ComObject Schedule.Service
$service.Connect()
$task = $service.GetFolder('\').GetTask($TaskName)
$task.SetSecurityDescriptor("D:P(A;;GA;;;SY)(A;;GA;;;BA)(A;;GRGX;;;$ownerSid)", 0)

Write-Output "The door is built: $Owner may have Windows forward TCP $($ports -join ', ') to WSL, nothing else."
