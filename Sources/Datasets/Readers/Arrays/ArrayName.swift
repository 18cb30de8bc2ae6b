import Glibc

/// Where an array is: in a file of its own, or in one of several arrays under a name, as `file.npz:name`.
struct ArrayName: Equatable {
  private(set) var file: String
  private(set) var name: String?

  /// What is there by the whole path is a file without a name; else the name is behind the first colon before which a file is
  /// named, or for a file that is missing, one that could be of several arrays.
  init(_ path: String) {
    guard let colon = Self.colon(in: path) else {
      (file, name) = (path, nil)
      return
    }
    (file, name) = (String(path[..<colon]), String(path[path.index(after: colon)...]))
  }

  private static func colon(in path: String) -> String.Index? {
    guard path.contains(":"), access(path, F_OK) != 0 else { return nil }
    let colons = path.indices.filter { path[$0] == ":" }
    return colons.first { access(String(path[..<$0]), F_OK) == 0 }
      ?? colons.first { colon in endings.contains { path[..<colon].lowercased().hasSuffix($0) } }
  }

  private static let endings = [".npz", ".safetensors"]
}
