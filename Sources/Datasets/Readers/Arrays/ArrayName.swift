import Glibc

/// The place of an array: a file of its own, or a name in a file of several arrays, as in `file.npz:name`.
struct ArrayName: Equatable {
  private(set) var file: String
  private(set) var name: String?

  /// A path that exists is a file without a name. Otherwise a colon separates file and name: the first colon that
  /// follows an existing file, or else the first that follows the ending of a format with several arrays.
  init(_ path: String) {
    guard let colon = Self.colon(in: path) else {
      (file, name) = (path, nil)
      return
    }
    (file, name) = (String(path[..<colon]), String(path[path.index(after: colon)...]))
  }

  init(file: String, name: String) { (self.file, self.name) = (file, name) }

  private static func colon(in path: String) -> String.Index? {
    guard path.contains(":"), access(path, F_OK) != 0 else { return nil }
    let colons = path.indices.filter { path[$0] == ":" }
    return colons.first { access(String(path[..<$0]), F_OK) == 0 }
      ?? colons.first { colon in endings.contains { path[..<colon].lowercased().hasSuffix($0) } }
  }

  private static let endings = [".npz", ".safetensors"]
}
