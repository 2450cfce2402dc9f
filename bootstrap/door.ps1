#Requires -Version 5.1
<#
The elevated door. A scheduled task runs it as SYSTEM; windows.ps1 has put it here and registered the task.

It reads one request file, which anybody who controls the WSL distribution can write, and treats it as
hostile: only data is taken from it, each field is checked, nothing of it is ever executed, and no file is
written where a user could have planted a link. What it may do is fixed: have Windows forward the allowed ports
to an address of the WSL network. Rules that it has not made itself stay as they are.

In this folder, which only administrators may write:
  settings.json     the ports that the administrator allowed
  owned-rules.txt   the rules that this script has made, "address/port" a line
  used-nonces.txt   requests that were carried out or refused after their form was accepted
  result.json       the answer to the last request; everybody may read it

Parsed by the project's tests; not run on a real Windows yet.
#>
Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'

$RequestFile = Join-Path $env:ProgramData 'dify-vllm-deploy\request.json'
$RulesKey = 'HKLM:\SYSTEM\CurrentControlSet\Services\PortProxy\v4tov4\tcp'
$Netsh = Join-Path $env:SystemRoot 'System32\netsh.exe'
$MaxBytes = 16384

$Malformed = 'the request does not have the form that this door accepts'
$Replayed = 'this request was handled before'
$PortRefused = 'listen port {0} is not among the ports that the administrator allowed: {1}'
$NoAdapter = 'Windows has no network adapter of WSL; with mirrored networking no rule is needed'
$AddressRefused = 'connect address {0} is no address of a distribution in the subnet of WSL, {1}'
$ForeignRule = 'listen port {0} belongs to a rule that this door did not make: {1}'
$NotApplied = 'netsh did not make the wanted change, the registry still has: {0}'

function Deny([string] $Message) { throw $Message }

function Test-Fields($Object, [string[]] $Names) {
    if ($Object -isnot [Management.Automation.PSCustomObject]) { return $false }
    $found = @($Object.PSObject.Properties | ForEach-Object { $_.Name })
    return (($found | Sort-Object) -join ',') -ceq (($Names | Sort-Object) -join ',')
}

function Test-Number($Value, [int] $Low, [int] $High) {
    return ($Value -is [int] -or $Value -is [long]) -and $Value -ge $Low -and $Value -le $High
}

function Test-Address($Value) {
    # Dotted decimal only, and a spelling that comes back the same: no names, no octal or short forms.
    if ($Value -isnot [string] -or $Value -cnotmatch '\A[0-9]{1,3}(\.[0-9]{1,3}){3}\z') { return $false }
    $address = $null
    return [Net.IPAddress]::TryParse($Value, [ref] $address) -and $address.ToString() -ceq $Value
}

function Test-Rule($Rule) {
    return (Test-Fields $Rule @('listen_address', 'listen_port', 'connect_address', 'connect_port')) -and
        (Test-Address $Rule.listen_address) -and (Test-Number $Rule.listen_port 1 65535) -and
        (Test-Address $Rule.connect_address) -and (Test-Number $Rule.connect_port 1 65535)
}

function Read-Request {
    # Whatever is wrong, the answer is the same: the file could be a link to one that its writer cannot read.
    try {
        $file = Get-Item -LiteralPath $RequestFile -Force
        if ($file.Attributes -band [IO.FileAttributes]::ReparsePoint) { Deny $Malformed }
        if ($file.Length -gt $MaxBytes) { Deny $Malformed }
        $request = [IO.File]::ReadAllText($RequestFile, [Text.Encoding]::UTF8) | ConvertFrom-Json
    }
    catch { Deny $Malformed }
    if (-not (Test-Fields $request @('version', 'nonce', 'port_proxy'))) { Deny $Malformed }
    if (-not (Test-Number $request.version 1 1)) { Deny $Malformed }
    if ($request.nonce -isnot [string] -or $request.nonce -cnotmatch '\A[0-9a-f]{32}\z') { Deny $Malformed }
    if ($request.port_proxy -isnot [array] -or $request.port_proxy.Count -gt 16) { Deny $Malformed }
    foreach ($rule in $request.port_proxy) { if (-not (Test-Rule $rule)) { Deny $Malformed } }
    $keys = @($request.port_proxy | ForEach-Object { '{0}/{1}' -f $_.listen_address, $_.listen_port })
    if (@($keys | Select-Object -Unique).Count -ne $keys.Count) { Deny $Malformed }
    return $request
}

function ConvertTo-Bits([string] $Address) {
    $bytes = ([Net.IPAddress] $Address).GetAddressBytes()
    [Array]::Reverse($bytes)
    return [long] [BitConverter]::ToUInt32($bytes, 0)
}

function Assert-InWsl([string] $Address) {
    $adapter = Get-NetIPAddress -AddressFamily IPv4 -ErrorAction SilentlyContinue |
        Where-Object { $_.InterfaceAlias -like 'vEthernet (WSL*' } | Select-Object -First 1
    if ($null -eq $adapter) { Deny $NoAdapter }
    $size = [long] [Math]::Pow(2, 32 - $adapter.PrefixLength)
    $windows = ConvertTo-Bits $adapter.IPAddress
    $first = $windows - $windows % $size
    $wanted = ConvertTo-Bits $Address
    # Windows' own address, the network's and the broadcast address are no distribution either.
    if ($wanted -le $first -or $wanted -ge $first + $size - 1 -or $wanted -eq $windows) {
        Deny ($AddressRefused -f $Address, ('{0}/{1}' -f $adapter.IPAddress, $adapter.PrefixLength))
    }
}

function Read-Lines([string] $Name) {
    $path = Join-Path $PSScriptRoot $Name
    if (Test-Path -LiteralPath $path) { return @([IO.File]::ReadAllLines($path)) }
    return @()
}

function Write-OwnedRules([string[]] $Keys) {
    [IO.File]::WriteAllLines((Join-Path $PSScriptRoot 'owned-rules.txt'), $Keys)
}

function Get-Rules {
    $rules = @{}
    if (Test-Path -LiteralPath $RulesKey) {
        $key = Get-Item -LiteralPath $RulesKey
        foreach ($name in $key.GetValueNames()) { if ($name) { $rules[$name] = [string] $key.GetValue($name) } }
    }
    return $rules
}

function Invoke-Netsh([string] $Verb, [string[]] $Arguments) {
    # Its exit code is not looked at: the registry tells what came of it.
    & $Netsh interface portproxy $Verb v4tov4 @Arguments protocol=tcp | Out-Null
}

function Set-Rules([hashtable] $Wanted, $Result) {
    $owned = @(Read-Lines 'owned-rules.txt')
    $current = Get-Rules
    $ports = @($Wanted.Keys | ForEach-Object { $_.Split('/')[1] })
    foreach ($key in $current.Keys) {
        $port = $key.Split('/')[-1]
        if ($ports -ccontains $port -and $owned -cnotcontains $key -and $Wanted[$key] -cne $current[$key]) {
            Deny ($ForeignRule -f $port, ('{0} -> {1}' -f $key, $current[$key]))
        }
    }
    # Recorded first: a rule that is set but not recorded would be foreign to the next run.
    Write-OwnedRules @(@($owned) + @($Wanted.Keys) | Sort-Object -Unique)
    foreach ($key in $owned) {
        if ($current.ContainsKey($key) -and -not $Wanted.ContainsKey($key)) {
            $address, $port = $key.Split('/')
            Invoke-Netsh 'delete' @("listenaddress=$address", "listenport=$port")
            $Result.removed += $key
        }
    }
    foreach ($key in $Wanted.Keys) {
        if ($current[$key] -cne $Wanted[$key]) {
            $address, $port = $key.Split('/')
            $toAddress, $toPort = $Wanted[$key].Split('/')
            Invoke-Netsh 'set' @("listenaddress=$address", "listenport=$port",
                "connectaddress=$toAddress", "connectport=$toPort")
            $Result.applied += '{0} -> {1}' -f $key, $Wanted[$key]
        }
    }
    $after = Get-Rules
    $wrong = @($Wanted.Keys | Where-Object { $after[$_] -cne $Wanted[$_] }) +
        @($Result.removed | Where-Object { $after.ContainsKey($_) })
    if ($wrong) {
        Deny ($NotApplied -f (@($after.Keys | ForEach-Object { '{0} -> {1}' -f $_, $after[$_] }) -join ', '))
    }
    Write-OwnedRules @($Wanted.Keys | Sort-Object)
}

$result = @{ version = 1; nonce = $null; ok = $false; message = ''; applied = @(); removed = @() }
try {
    $request = Read-Request
    $result.nonce = $request.nonce
    if (@(Read-Lines 'used-nonces.txt') -ccontains $request.nonce) { Deny $Replayed }
    [IO.File]::AppendAllText((Join-Path $PSScriptRoot 'used-nonces.txt'), $request.nonce + "`r`n")
    $settings = [IO.File]::ReadAllText((Join-Path $PSScriptRoot 'settings.json')) | ConvertFrom-Json
    $allowed = @($settings.allowed_ports | Sort-Object)
    foreach ($rule in $request.port_proxy) {
        if ($allowed -notcontains $rule.listen_port) {
            Deny ($PortRefused -f $rule.listen_port, ($allowed -join ', '))
        }
    }
    $wanted = @{}
    foreach ($rule in $request.port_proxy) {
        Assert-InWsl $rule.connect_address
        $key = '{0}/{1}' -f $rule.listen_address, $rule.listen_port
        $wanted[$key] = '{0}/{1}' -f $rule.connect_address, $rule.connect_port
    }
    Set-Rules $wanted $result
    $result.ok = $true
}
catch { $result.message = $_.Exception.Message }
[IO.File]::WriteAllText((Join-Path $PSScriptRoot 'result.json'), (ConvertTo-Json $result))
if ($result.ok) { exit 0 } else { exit 1 }
