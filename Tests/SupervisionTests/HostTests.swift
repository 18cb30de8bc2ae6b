import Testing

@testable import Supervision

/// The hosts of a run.
@Suite struct HostTests {
  @Test func `A list has the first word of each line, once`() {
    let text = "# two\nnode1 slots=4\n\n node2:8\t# here\nnode1\nnode3.example.org max-slots=2\n"
    #expect(HostList.names(in: text) == ["node1", "node2", "node3.example.org"])
    #expect(HostList.names(in: "  # none\n").isEmpty)
  }

  @Test func `An attempt has the hosts that answer, in their order`() {
    let pool = HostPool()
    #expect(pool.choice(of: ["b", "a"], minimum: 1, at: 0) == ["b", "a"])
    #expect(pool.choice(of: ["a"], minimum: 2, at: 0) == nil)
    #expect(pool.choice(of: [], minimum: 1, at: 0) == nil)
  }

  @Test func `A host that fails three times in a row is left out for ten minutes`() {
    var pool = HostPool()
    let hosts = ["a", "b", "c"]
    for time in [1.0, 2] {
      let isExcluded = pool.note(failedOn: "b", of: hosts, at: time)
      #expect(!isExcluded && pool.choice(of: hosts, minimum: 1, at: time) == hosts)
    }
    let isExcluded = pool.note(failedOn: "b", of: hosts, at: 3)
    #expect(isExcluded && pool.excludes("b", at: 3))
    #expect(pool.choice(of: hosts, minimum: 1, at: 4) == ["a", "c"])
    #expect(pool.choice(of: hosts, minimum: 1, at: 603) == hosts)
  }

  @Test func `A failure elsewhere is no failure in a row`() {
    var pool = HostPool()
    for culprit in ["a", "a", "b", "a", "a"] {
      let isExcluded = pool.note(failedOn: culprit, of: ["a", "b"], at: 0)
      #expect(!isExcluded)
    }
  }

  @Test func `A failure that nobody places changes nothing`() {
    var pool = HostPool()
    for culprit in ["a", nil, "a", "elsewhere"] { pool.note(failedOn: culprit, of: ["a", "b"], at: 0) }
    #expect(!pool.excludes("a", at: 0))
    let isExcluded = pool.note(failedOn: "a", of: ["a", "b"], at: 0)
    #expect(isExcluded)
  }

  @Test func `How often a host may fail can be said`() {
    var pool = HostPool(limit: 1)
    let isExcluded = pool.note(failedOn: "a", of: ["a"], at: 0)
    #expect(isExcluded)
  }

  @Test func `Hosts that failed are better than too few`() {
    var pool = HostPool()
    for (host, time) in [("a", 0.0), ("c", 50)] {
      for _ in 0..<3 { pool.note(failedOn: host, of: [host], at: time) }
    }
    let hosts = ["a", "b", "c"]
    #expect(pool.choice(of: hosts, minimum: 1, at: 60) == ["b"])
    // The one whose time is over first.
    #expect(pool.choice(of: hosts, minimum: 2, at: 60) == ["a", "b"])
    #expect(pool.choice(of: hosts, minimum: 3, at: 60) == hosts)
    #expect(pool.choice(of: ["a", "c"], minimum: 1, at: 60) == ["a"])
  }

  @Test func `Ranks of one host need no other one`() {
    let arguments = LauncherArguments(
      .local(ranks: 3), remoteShell: "ssh", workingDirectory: "/w", exported: ["A"], options: ["--tag-output"])
    #expect(
      arguments.words == ["--bind-to", "none", "--oversubscribe", "-np", "3", "-x", "A", "--tag-output"])
  }

  @Test func `Ranks of several hosts are as many on each`() {
    let placement = Placement.hosts(["a", "b"], ranksOnEach: 2)
    let words = LauncherArguments(
      placement, remoteShell: "ssh -v", workingDirectory: "/w w", exported: [], options: []
    ).words
    #expect(placement.ranks == 4)
    func value(of option: String) -> String? { words.firstIndex(of: option).map { words[$0 + 1] } }
    #expect(value(of: "--host") == "a:2,b:2" && value(of: "--map-by") == "ppr:2:node" && value(of: "-wdir") == "/w w")
    #expect(value(of: "plm_rsh_agent") == "ssh -v" && value(of: "oob_tcp_keepalive_time") == "4")
  }
}
