import Foundation

/// The path that a shell would use for `path`: `~` and `~name` at its start are home folders.
///
/// Throws exit code 66 for a missing file whose name contains a variable of the shell, since the program expands none.
package func resolvedPath(_ path: String) throws(DataError) -> String {
  let result = expandingTilde(path)
  guard access(result, F_OK) != 0, let variable = shellVariable(in: result) else { return result }
  throw .unreadable(
    path,
    "has the variable \(variable), and variables are not expanded here; write its value, or let the shell do it: "
      + "--set KEY=\"\(path)\"")
}

/// `path` with `~` or `~name` at its start replaced by that home folder, if it exists.
package func expandingTilde(_ path: String) -> String {
  guard path.first == "~" else { return path }
  let name = path.dropFirst().prefix { $0 != "/" }
  let home: String? =
    if name.isEmpty {
      getenv("HOME").map { String(cString: $0) } ?? getpwuid(getuid()).map { String(cString: $0.pointee.pw_dir) }
    } else {
      getpwnam(String(name)).map { String(cString: $0.pointee.pw_dir) }
    }
  return home.map { $0 + path.dropFirst(1 + name.count) } ?? path
}

/// The first `$NAME` or `${NAME}`.
private func shellVariable(in path: String) -> Substring? {
  path.firstMatch(of: /\$(?:[A-Za-z_][A-Za-z_0-9]*|\{[A-Za-z_][A-Za-z_0-9]*\})/)?.0
}

/// The absolute path of `path` without symbolic links, whether or not its last parts exist.
package func withoutLinks(_ path: String) -> String {
  var start = URL(fileURLWithPath: expandingTilde(path)).standardizedFileURL
  var rest: [String] = []
  while start.path != "/" {
    if let found = realpath(start.path, nil) {
      defer { free(found) }
      return ([String(cString: found)] + rest).joined(separator: "/")
    }
    rest.insert(start.lastPathComponent, at: 0)
    start.deleteLastPathComponent()
  }
  return "/" + rest.joined(separator: "/")
}
