FROM dvd-lab/debian:trixie
# Services of a package must not start while the image is built.
RUN printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d && chmod +x /usr/sbin/policy-rc.d \
 && apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
      systemd systemd-sysv libpam-systemd dbus openssh-server openssh-client sudo python3-venv git kmod \
      docker.io docker-cli docker-compose iptables \
 && rm -rf /usr/sbin/policy-rc.d /var/lib/apt/lists/*
COPY ssh-host-key.service wsl-off.path wsl-off.service /etc/systemd/system/
COPY sshd.conf /etc/ssh/sshd_config.d/lab.conf
COPY wsl.conf /etc/wsl.conf
COPY osrelease WSLInterop /etc/wsl-marks/
COPY container-init wsl-init prepare-systemd-host /usr/local/sbin/
RUN prepare-systemd-host && systemctl enable wsl-off.path
ENV container=docker
STOPSIGNAL SIGRTMIN+3
CMD ["/usr/local/sbin/wsl-init"]
