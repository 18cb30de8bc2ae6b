/// A list of hosts as in a host file of Open MPI, or in the output of a discovery script.
package enum HostList {
  /// The hosts in their order, each once: the first word of each line, without `:SLOTS`; `#` begins a comment.
  package static func names(in text: String) -> [String] {
    var names: [String] = []
    for line in text.split(whereSeparator: \.isNewline) {
      let words = line.split(separator: "#", omittingEmptySubsequences: false)[0].split { " \t:".contains($0) }
      if let name = words.first.map(String.init), !names.contains(name) { names.append(name) }
    }
    return names
  }
}
