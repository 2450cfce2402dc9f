FROM dvd-lab/debian:bookworm
RUN printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d && chmod +x /usr/sbin/policy-rc.d \
 && apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends openssh-server openssh-client \
 && rm -rf /usr/sbin/policy-rc.d /var/lib/apt/lists/* /etc/ssh/ssh_host_*
# The owner's account is an administrator's, as the first one of a Windows is: here that is root by another name.
RUN useradd --non-unique --uid 0 --gid 0 --no-create-home --home-dir /root \
      --shell /usr/local/sbin/windows-shell --password '*' owner
COPY sshd.conf /etc/ssh/sshd_config.d/lab.conf
COPY windows-start windows-shell /usr/local/sbin/
