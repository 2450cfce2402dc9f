#Requires -Version 5.1
<#
The elevated door. A scheduled task runs it as SYSTEM; windows.ps1 has put it here and registered the task.

It reads one request file, which anybody who controls the WSL distribution can write, and treats it as
hostile: only data is taken from it, each field is checked, nothing of it is ever executed, and no file is
written where a user could have planted a link. What it may do is fixed: have Windows forward the allowed ports
to an address of the WSL network, and have its firewall let others in on them. Rules that it has not made itself
stay as they are, and the firewall stays on. Parsed by the project's tests; not run on a real Windows yet.

In this folder, which only administrators may write:
  settings.json     the ports that the administrator allowed
  owned-rules.txt   the rules that this script has made, "address/port" a line
  used-nonces.txt   the last requests that were carried out, or refused after their form was accepted
  result.json       the answer to the last request; everybody may read it
#>
Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'
$RequestFile = Join-Path $env:ProgramData 'dify-vllm-deploy\request.json'
$OwnedFile = Join-Path $PSScriptRoot 'owned-rules.txt'
$UsedFile = Join-Path $PSScriptRoot 'used-nonces.txt'
$RulesKey = 'HKLM:\SYSTEM\CurrentControlSet\Services\PortProxy\v4tov4\tcp'
$Netsh = Join-Path $env:SystemRoot 'System32\netsh.exe'
$FirewallKey = 'HKLM:\SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy\FirewallRules'
$RulePrefix = 'dify-vllm-deploy-tcp-'
$MaxBytes = 16384
$RememberedNonces = 1000
$Malformed = 'the request does not have the form that this door accepts'
$Replayed = 'this request was handled before'
$PortRefused = 'port {0} is not among the ports that the administrator allowed: {1}'
$NoAdapter = 'Windows has no network adapter of WSL; with mirrored networking no rule is needed'
$AddressRefused = 'connect address {0} is no address of a distribution in the subnet of WSL, {1}'
$ForeignRule = 'listen port {0} belongs to a rule that this door did not make: {1}'
$NotApplied = 'netsh did not make the wanted change, the registry still has: {0}'
$NotOpened = 'Windows did not make the wanted change of its firewall, the registry still has: {0}'

function Test-Fields($Object, [string[]] $Names) {
    if ($Object -isnot [Management.Automation.PSCustomObject]) { return $false }
    $found = @($Object.PSObject.Properties | ForEach-Object { $_.Name })
    return $found.Count -eq $Names.Count -and @($Names | Where-Object { $found -ccontains $_ }).Count -eq $found.Count
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

function Test-Remote($Value) {
    if ($Value -isnot [string]) { return $false }
    if (@('Any', 'LocalSubnet') -ccontains $Value) { return $true }
    $address, $length = $Value.Split('/', 2)
    return (Test-Address $address) -and ($null -eq $length -or $length -cmatch '\A(3[0-2]|[12][0-9]|[1-9])\z')
}

function Test-Set($Values, [int] $Most) {
    if ($Values -isnot [array] -or $Values.Count -lt 1 -or $Values.Count -gt $Most) { return $false }
    return @($Values | Select-Object -Unique).Count -eq $Values.Count
}

function Test-Opening($Opening) {
    if (-not (Test-Fields $Opening @('port', 'remote_addresses', 'profiles'))) { return $false }
    $remotes, $names = $Opening.remote_addresses, $Opening.profiles
    if (-not (Test-Number $Opening.port 1 65535)) { return $false }
    if (-not ((Test-Set $remotes 32) -and (Test-Set $names 3))) { return $false }
    $known = @($names | Where-Object { $_ -is [string] -and @('Domain', 'Private', 'Public') -ccontains $_ })
    if ($known.Count -ne $names.Count) { return $false }
    foreach ($remote in $remotes) { if (-not (Test-Remote $remote)) { return $false } }
    return $remotes.Count -eq 1 -or ($remotes -cnotcontains 'Any' -and $remotes -cnotcontains 'LocalSubnet')
}

function Get-Part($Request, [string] $Name) {
    # A list of at most 16 entries; $null when there is none, which leaves that part of Windows as it is.
    $part = $Request.PSObject.Properties[$Name]
    if ($null -eq $part -or $null -eq $part.Value) { return $null }
    if ($part.Value -isnot [array] -or $part.Value.Count -gt 16) { throw $Malformed }
    return , $part.Value
}

function Read-Request {
    $file = Get-Item -LiteralPath $RequestFile -Force
    if ($file.Attributes -band [IO.FileAttributes]::ReparsePoint -or $file.Length -gt $MaxBytes) { throw $Malformed }
    $text = [IO.File]::ReadAllText($RequestFile, [Text.Encoding]::UTF8)
    $request = $text | ConvertFrom-Json
    $parts = @('port_proxy', 'firewall' | Where-Object { $request.PSObject.Properties[$_] })
    if (-not (Test-Fields $request (@('version', 'nonce') + $parts))) { throw $Malformed }
    if (-not (Test-Number $request.version 1 1) -or $request.nonce -isnot [string]) { throw $Malformed }
    if ($request.nonce -cnotmatch '\A[0-9a-f]{32}\z') { throw $Malformed }
    $rules = Get-Part $request 'port_proxy'
    $openings = Get-Part $request 'firewall'
    if ($null -eq $rules -and $null -eq $openings) { throw $Malformed }
    $places = @()
    $fields = 2 + $parts.Count
    foreach ($rule in $rules) {
        if (-not (Test-Rule $rule)) { throw $Malformed }
        $places += '{0}/{1}' -f $rule.listen_address, $rule.listen_port
        $fields += 4
    }
    foreach ($opening in $openings) {
        if (-not (Test-Opening $opening)) { throw $Malformed }
        $places += 'firewall/{0}' -f $opening.port
        $fields += 3
    }
    # Of fields with one name only the last is left here, without a word: there may be no more than were seen.
    if ([regex]::Matches($text, '"\s*:').Count -ne $fields) { throw $Malformed }
    if (@($places | Select-Object -Unique).Count -ne $places.Count) { throw $Malformed }
    return @{ nonce = $request.nonce; rules = $rules; openings = $openings }
}

function ConvertTo-Bits([string] $Address) {
    $bytes = ([Net.IPAddress] $Address).GetAddressBytes()
    [Array]::Reverse($bytes)
    return [long] [BitConverter]::ToUInt32($bytes, 0)
}

function Assert-InWsl([string] $Address) {
    $adapter = Get-NetIPAddress -AddressFamily IPv4 -ErrorAction SilentlyContinue |
        Where-Object { $_.InterfaceAlias -like 'vEthernet (WSL*' } | Select-Object -First 1
    if ($null -eq $adapter) { throw $NoAdapter }
    $size = [long] [Math]::Pow(2, 32 - $adapter.PrefixLength)
    $windows = ConvertTo-Bits $adapter.IPAddress
    $first = $windows - $windows % $size
    $wanted = ConvertTo-Bits $Address
    # Windows' own address, the network's and the broadcast address are no distribution either.
    if ($wanted -le $first -or $wanted -ge $first + $size - 1 -or $wanted -eq $windows) {
        throw ($AddressRefused -f $Address, ('{0}/{1}' -f $adapter.IPAddress, $adapter.PrefixLength))
    }
}

function Read-Lines([string] $Path) {
    if (Test-Path -LiteralPath $Path) { return [IO.File]::ReadAllLines($Path) }
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
    $owned = @(Read-Lines $OwnedFile)
    $current = Get-Rules
    $ports = @($Wanted.Keys | ForEach-Object { $_.Split('/')[1] })
    foreach ($key in $current.Keys) {
        $port = $key.Split('/')[-1]
        if ($ports -ccontains $port -and $owned -cnotcontains $key -and $Wanted[$key] -cne $current[$key]) {
            throw ($ForeignRule -f $port, ('{0} -> {1}' -f $key, $current[$key]))
        }
    }
    # Recorded first: a rule that is set but not recorded would be foreign to the next run.
    [IO.File]::WriteAllLines($OwnedFile, [string[]] @(@($owned) + @($Wanted.Keys) | Sort-Object -Unique))
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
            Invoke-Netsh 'set' @("listenaddress=$address", "listenport=$port", "connectaddress=$toAddress",
                "connectport=$toPort")
            $Result.applied += '{0} -> {1}' -f $key, $Wanted[$key]
        }
    }
    $after = Get-Rules
    $wrong = @($Wanted.Keys | Where-Object { $after[$_] -cne $Wanted[$_] }) +
        @($Result.removed | Where-Object { $after.ContainsKey($_) })
    if ($wrong) {
        throw ($NotApplied -f (@($after.Keys | ForEach-Object { '{0} -> {1}' -f $_, $after[$_] }) -join ', '))
    }
    [IO.File]::WriteAllLines($OwnedFile, [string[]] @($Wanted.Keys | Sort-Object))
}

function Get-OpeningNames {
    # Of our firewall rules. A copy that was made by hand under our title has a GUID for its name.
    $key = Get-Item -LiteralPath $FirewallKey
    return @($key.GetValueNames() | Where-Object {
            $_.StartsWith($RulePrefix) -or ([string] $key.GetValue($_)).Contains("|Name=$RulePrefix")
        } | Sort-Object)
}

function Set-Openings($Openings, $Result) {
    # All of ours are made anew, whatever became of them: the deploy asks only when one of them is wrong.
    foreach ($name in @(Get-OpeningNames)) {
        Remove-NetFirewallRule -Name $name
        $Result.removed += $name
    }
    foreach ($opening in $Openings) {
        $name = "$RulePrefix$($opening.port)"
        New-NetFirewallRule -Name $name -DisplayName $name -Description 'Made by dify-vllm-deploy (door.ps1).' `
            -Direction Inbound -Action Allow -Enabled True -Protocol TCP -LocalPort $opening.port `
            -RemoteAddress $opening.remote_addresses -Profile ($opening.profiles -join ',') | Out-Null
        $Result.applied += $name
    }
    $after = @(Get-OpeningNames)
    $wanted = @($Openings | ForEach-Object { "$RulePrefix$($_.port)" } | Sort-Object)
    if (($after -join ',') -cne ($wanted -join ',')) { throw ($NotOpened -f ($after -join ', ')) }
}

$result = @{ version = 1; nonce = $null; ok = $false; message = ''; applied = @(); removed = @() }
try {
    # Whatever is wrong, the answer is the same: the file could be a link to one that its writer cannot read.
    try { $request = Read-Request } catch { throw $Malformed }
    $result.nonce = $request.nonce
    # This keeps a file that was left there from being carried out again; who can put an old one back can write anew.
    $used = @(Read-Lines $UsedFile)
    if ($used -ccontains $request.nonce) { throw $Replayed }
    [IO.File]::WriteAllLines($UsedFile, [string[]] @($used + $request.nonce | Select-Object -Last $RememberedNonces))
    $settings = [IO.File]::ReadAllText((Join-Path $PSScriptRoot 'settings.json')) | ConvertFrom-Json
    $allowed = @($settings.allowed_ports | Sort-Object)
    $ports = @(foreach ($r in $request.rules) { $r.listen_port }) + @(foreach ($o in $request.openings) { $o.port })
    foreach ($port in $ports) {
        if ($allowed -notcontains $port) { throw ($PortRefused -f $port, ($allowed -join ', ')) }
    }
    $wanted = @{}
    foreach ($rule in $request.rules) {
        Assert-InWsl $rule.connect_address
        $key = '{0}/{1}' -f $rule.listen_address, $rule.listen_port
        $wanted[$key] = '{0}/{1}' -f $rule.connect_address, $rule.connect_port
    }
    if ($null -ne $request.rules) { Set-Rules $wanted $result }
    if ($null -ne $request.openings) { Set-Openings $request.openings $result }
    $result.ok = $true
}
catch { $result.message = $_.Exception.Message }
[IO.File]::WriteAllText((Join-Path $PSScriptRoot 'result.json'), (ConvertTo-Json $result))
if ($result.ok) { exit 0 } else { exit 1 }
