/// What an attempt runs on.
package enum Placement: Equatable, Sendable {
  /// Ranks on this host.
  case local(ranks: Int)
  /// Ranks on each of some hosts.
  case hosts([String], ranksOnEach: Int)

  package var hosts: [String] { if case .hosts(let names, _) = self { names } else { [] } }

  package var ranks: Int {
    switch self {
    case .local(let ranks): ranks
    case .hosts(let names, let each): names.count * each
    }
  }
}

/// The arguments of Open MPI's mpirun.
package struct LauncherArguments: Equatable, Sendable {
  package var placement: Placement
  /// The stand-in for ssh, with its options.
  package var remoteShell: String
  package var workingDirectory: String
  /// Names of variables that the ranks get.
  package var exported: [String]
  /// Further options, by whoever starts the supervisor.
  package var options: [String]

  package init(
    _ placement: Placement, remoteShell: String, workingDirectory: String, exported: [String], options: [String]
  ) {
    self.placement = placement
    self.remoteShell = remoteShell
    self.workingDirectory = workingDirectory
    self.exported = exported
    self.options = options
  }

  package var words: [String] {
    // A rank takes the processors that it shares with others of its host, in parts.
    var words = ["--bind-to", "none"]
    switch placement {
    case .local(let ranks):
      // Whoever names a number of ranks means it, however many processors there are.
      words += ["--oversubscribe", "-np", "\(ranks)"]
    case .hosts(let names, let each):
      words += ["--host", names.map { "\($0):\(each)" }.joined(separator: ","), "--map-by", "ppr:\(each):node"]
      words += ["-wdir", workingDirectory, "--mca", "plm_rsh_agent", remoteShell]
      // With these mpirun notices within seconds that a host is gone; without them it waits for ever.
      for (name, value) in [("time", "4"), ("intvl", "2"), ("probes", "3")] {
        words += ["--mca", "oob_tcp_keepalive_\(name)", value]
      }
    }
    for name in exported { words += ["-x", name] }
    return words + options
  }
}
