#!/usr/bin/env bash
# A real Slurm on one machine, for tests: several nodes, made-up AMD GPUs, accounting, preemption.
#
#   slurm/testbed/testbed.sh start        prints the line that points sbatch, squeue and the rest to it
#   slurm/testbed/testbed.sh stop         ends its jobs and its daemons, and removes its files
#   slurm/testbed/testbed.sh status
#   slurm/testbed/testbed.sh lose N       node N is gone at once, with all that ran on it, as after a power failure
#   slurm/testbed/testbed.sh join N       node N is back
#   slurm/testbed/testbed.sh guard PID    waits for a process to end, however it does, then stops
#
# Debian packages: slurm-wlm munge slurmdbd mariadb-server (--no-install-recommends). All files lie in the folder
# GESTURELAB_TESTBED (gesturelab-testbed in the temporary folder); only daemons that were started from there are ended.
set -euo pipefail
BED=${GESTURELAB_TESTBED:-${TMPDIR:-/tmp}/gesturelab-testbed}
NODES=${GESTURELAB_TESTBED_NODES:-4}
PORT=${GESTURELAB_TESTBED_PORT:-27817} # slurmctld; slurmdbd is PORT+1, node N is PORT+10+N
ME=$(id -un)
HOST=$(hostname -s)
export SLURM_CONF=$BED/etc/slurm.conf
export PATH=$PATH:/usr/sbin:/sbin

# until SECONDS COMMAND...: repeats a command until it succeeds
until_ok() {
  local tries=$(($1 * 10))
  shift
  until "$@" >/dev/null 2>&1; do
    ((tries-- > 0)) || return 1
    sleep 0.1
  done
}

# runs PIDFILE PROGRAM: that process is alive, is that program, and belongs to this testbed (a pid can be reused)
runs() {
  local pid
  pid=$(cat "$1" 2>/dev/null) && [[ -n $pid && -r /proc/$pid/environ ]] || return 1
  case $(readlink "/proc/$pid/exe") in */"$2" | */"$2"-wlm | */"$2 (deleted)") ;; *) return 1 ;; esac
  grep -qaF -- "$BED/" "/proc/$pid/cmdline" "/proc/$pid/environ"
}

gone() { ! grep -qs '^State:[[:space:]]*[^Z]' "/proc/$1/status"; }

# end PIDFILE PROGRAM: asks, then kills
end() {
  local pid
  if runs "$1" "$2"; then
    pid=$(cat "$1")
    kill -TERM "$pid"
    until_ok 20 gone "$pid" || kill -KILL "$pid" 2>/dev/null || true
    until_ok 5 gone "$pid" || true
  fi
  rm -f "$1"
}

configure() {
  mkdir -p "$BED"/{etc,run,log,state/slurmctld}
  chmod 755 "$BED" "$BED"/{etc,run,log,state}
  [[ -s $BED/etc/munge.key ]] || (umask 077 && head -c 128 /dev/urandom >"$BED/etc/munge.key")
  cat >"$SLURM_CONF" <<CONF
ClusterName=testbed
SlurmctldHost=$HOST(127.0.0.1)
SlurmUser=$ME
SlurmdUser=$ME
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket=$BED/run/munge.sock,cred_expire=5
SlurmctldPort=$PORT
SlurmctldPidFile=$BED/run/slurmctld.pid
SlurmctldLogFile=$BED/log/slurmctld.log
StateSaveLocation=$BED/state/slurmctld
SlurmdPidFile=$BED/run/slurmd.%n.pid
SlurmdLogFile=$BED/log/slurmd.%n.log
SlurmdSpoolDir=$BED/state/slurmd.%n
# nodes may claim more cores and memory than the machine has
SlurmdParameters=config_overrides
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
GresTypes=gpu
# a lost node is noticed within seconds, and a job that was on it goes back into the queue
SlurmdTimeout=8
ReturnToService=2
JobRequeue=1
KillWait=5
UnkillableStepTimeout=30
MinJobAge=600
MaxArraySize=${GESTURELAB_TESTBED_ARRAY:-1001}
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SlurmctldParameters=preempt_send_user_signal
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=2,sched_min_interval=0
JobCompType=jobcomp/none
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort=$((PORT + 1))
AccountingStoragePass=$BED/run/munge.sock
AccountingStorageTRES=gres/gpu
CONF
  local node
  for node in $(seq "$NODES"); do
    echo "NodeName=node$node NodeHostname=$HOST NodeAddr=127.0.0.1 Port=$((PORT + 10 + node)) CPUs=16 RealMemory=64000 Gres=gpu:1 State=UNKNOWN"
  done >>"$SLURM_CONF"
  # urgent takes nodes away from gpu; the job it sends back has 20 seconds to leave
  cat >>"$SLURM_CONF" <<CONF
PartitionName=gpu Nodes=ALL Default=YES MaxTime=1-0 State=UP PriorityTier=1 PreemptMode=REQUEUE GraceTime=20
PartitionName=urgent Nodes=ALL Default=NO MaxTime=1-0 State=UP PriorityTier=10 PreemptMode=OFF
CONF
  # a GPU needs a device file; with this flag Slurm sets ROCR_VISIBLE_DEVICES, as for AMD's
  echo "NodeName=node[1-$NODES] Name=gpu File=/dev/null Flags=amd_gpu_env" >"$BED/etc/gres.conf"
}

start_munge() {
  runs "$BED/run/munged.pid" munged && return
  rm -f "$BED/run/munge.sock"
  munged --socket="$BED/run/munge.sock" --key-file="$BED/etc/munge.key" --pid-file="$BED/run/munged.pid" \
    --log-file="$BED/log/munged.log" --seed-file="$BED/state/munge.seed" --num-threads=2
  until_ok 10 munge --socket="$BED/run/munge.sock" -n
}

# Without accounting nobody learns how a killed task ended.
start_accounting() {
  local data=$BED/state/mysql socket=$BED/run/mysql.sock
  if ! runs "$BED/run/mysql.pid" mariadbd; then
    [[ -d $data/mysql ]] || mariadb-install-db --no-defaults --user="$ME" --datadir="$data" \
      --auth-root-authentication-method=socket --auth-root-socket-user="$ME" --skip-test-db >"$BED/log/mariadb-install.log" 2>&1
    setsid mariadbd --no-defaults --user="$ME" --datadir="$data" --socket="$socket" --pid-file="$BED/run/mysql.pid" \
      --skip-networking --innodb-buffer-pool-size=64M --innodb-lock-wait-timeout=900 --innodb-log-file-size=32M \
      --innodb-flush-log-at-trx-commit=0 --log-error="$BED/log/mariadb.log" </dev/null >/dev/null 2>&1 &
    until_ok 60 mariadb-admin --no-defaults --socket="$socket" ping
  fi
  mariadb --no-defaults --socket="$socket" -e 'CREATE DATABASE IF NOT EXISTS slurm_acct_db'
  (
    umask 077
    cat >"$BED/etc/slurmdbd.conf" <<CONF
AuthType=auth/munge
AuthInfo=socket=$BED/run/munge.sock
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort=$((PORT + 1))
SlurmUser=$ME
LogFile=$BED/log/slurmdbd.log
PidFile=$BED/run/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageUser=$ME
StorageLoc=slurm_acct_db
CONF
  )
  if ! runs "$BED/run/slurmdbd.pid" slurmdbd; then
    MYSQL_UNIX_PORT=$socket slurmdbd
    until_ok 60 sacctmgr -n show cluster
  fi
  [[ $(sacctmgr -n show cluster format=cluster) == *testbed* ]] || sacctmgr -i add cluster testbed >/dev/null
}

join() {
  runs "$BED/run/slurmd.node$1.pid" slurmd && return
  mkdir -p "$BED/state/slurmd.node$1"
  slurmd -N "node$1" -f "$SLURM_CONF"
  scontrol update NodeName="node$1" State=RESUME 2>/dev/null || true
}

# Tasks carry the node's name in their environment; their parents, the step daemons, do not. All is stopped before anything
# is killed: a daemon that outlives its task for a moment would still tell the controller how that ended.
lose() {
  local pid parent file=$BED/run/slurmd.node$1.pid
  local -a doomed=()
  if runs "$file" slurmd; then kill -KILL "$(cat "$file")"; fi
  # the controller would notice within seconds; told, it sends the jobs back before a task's end can be reported
  scontrol update NodeName="node$1" State=DOWN Reason=lost
  for pid in $(grep -lszx "SLURMD_NODENAME=node$1" /proc/[0-9]*/environ | cut -d/ -f3); do
    if grep -qszxF "SLURM_CONF=$SLURM_CONF" "/proc/$pid/environ"; then
      parent=$(ps -o ppid= -p "$pid" | tr -d ' ') || continue
      [[ $(ps -o comm= -p "$parent") != slurmstepd ]] || doomed+=("$parent")
      doomed+=("$pid")
    fi
  done
  ((${#doomed[@]})) || return 0
  kill -STOP "${doomed[@]}" 2>/dev/null || true
  kill -KILL "${doomed[@]}" 2>/dev/null || true
  rm -f "$file"
}

all_ready() {
  [[ $(scontrol ping) == *' is UP'* && $(sinfo -h -N -p gpu -o '%t' | grep -cE '^(idle|mix|alloc)$') == "$NODES" ]]
}

start() {
  local program node away
  for program in munged slurmctld slurmd slurmdbd mariadbd; do
    command -v "$program" >/dev/null || {
      echo "testbed: $program is missing: apt-get install --no-install-recommends slurm-wlm munge slurmdbd mariadb-server" >&2
      exit 1
    }
  done
  configure
  start_munge
  start_accounting
  if ! runs "$BED/run/slurmctld.pid" slurmctld; then
    slurmctld -f "$SLURM_CONF"
    until_ok 30 scontrol ping
  fi
  for node in $(seq "$NODES"); do join "$node"; done
  away=$(sinfo -h -N -p gpu -t drain,drained,draining,down,fail -o %N | sort -u | paste -sd,)
  [[ -z $away ]] || scontrol update NodeName="$away" State=RESUME || true
  until_ok 60 all_ready || {
    echo "testbed: the nodes do not get ready; look into $BED/log" >&2
    sinfo >&2
    exit 1
  }
  echo "export SLURM_CONF=$SLURM_CONF"
}

stop() {
  local file
  if runs "$BED/run/slurmctld.pid" slurmctld; then
    timeout 10 scancel --full --user="$ME" 2>/dev/null || true
    until_ok 15 sh -c '[ -z "$(squeue -h)" ]' || true
  fi
  for file in "$BED"/run/slurmd.*.pid; do [[ -e $file ]] && end "$file" slurmd & done
  end "$BED/run/slurmctld.pid" slurmctld &
  wait
  end "$BED/run/slurmdbd.pid" slurmdbd
  end "$BED/run/mysql.pid" mariadbd
  end "$BED/run/munged.pid" munged
  rm -rf "$BED"
}

case ${1:-} in
start) start ;;
stop) stop ;;
status) sinfo -N -o '%N %P %t %G' && squeue -a ;;
lose) lose "$2" ;;
join) join "$2" ;;
guard)
  while ! gone "$2"; do sleep 1; done
  stop
  ;;
*)
  sed -n '2,/^set/{s/^# \{0,1\}//;/^set/d;p}' "$0" >&2
  exit 2
  ;;
esac
