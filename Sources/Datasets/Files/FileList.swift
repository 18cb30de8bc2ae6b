import Glibc

/// The files of one set of examples: a path, a pattern of paths such as `part-*.npy`, or several of them.
package struct FileList: Equatable, Sendable {
  /// The entries as the user gave them.
  package let entries: [String]

  package init(_ entries: [String]) { self.entries = entries }
  package init(_ entry: String) { entries = [entry] }

  /// The paths in order; matches of a pattern are in the order of their bytes.
  ///
  /// An entry that names an existing file is not a pattern. Throws exit code 66 for a pattern without a match or with a
  /// variable of the shell, 65 for a file that occurs twice, by whatever path.
  package func paths() throws(DataError) -> [String] {
    var paths: [String] = []
    for entry in entries {
      let entry = try resolvedPath(entry)
      if Self.isPattern(entry) { paths += try Self.expand(entry) } else { paths.append(entry) }
    }
    var seen: Set<FileIdentity> = []
    for path in paths where !seen.insert(FileIdentity(path)).inserted {
      throw .badContents(path, "is named twice in \(self); name each file of a set once")
    }
    return paths
  }

  private static func isPattern(_ entry: String) -> Bool {
    let entry = ArrayName(entry).file
    return entry.utf8.contains { "*?[".utf8.contains($0) } && access(entry, F_OK) != 0
  }

  private static func expand(_ pattern: String) throws(DataError) -> [String] {
    var found = glob_t()
    defer { globfree(&found) }
    // Each file that matches must have the array of that name.
    let array = ArrayName(pattern)
    let code = glob(array.file, GLOB_NOSORT, nil, &found)
    guard code == 0 || code == GLOB_NOMATCH else {
      throw .unreadable(pattern, "cannot be looked for (\(errorText())); check the permissions of the folder")
    }
    let paths = (0..<Int(found.gl_pathc)).map { String(cString: found.gl_pathv[$0]!) }
    guard code == 0, !paths.isEmpty else {
      throw .unreadable(pattern, "is the name of no file; check the folder and the pattern")
    }
    return paths.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }.map { path in
      array.name.map { "\(path):\($0)" } ?? path
    }
  }
}

/// An array or a file, whatever the path that leads to it: links and `./` are seen through.
private struct FileIdentity: Hashable {
  /// Zeros for a missing file.
  private var device: dev_t = 0
  private var number: ino_t = 0
  /// The name of the array within the file, or the path of a missing file.
  private let name: ScalarText

  init(_ path: String) {
    let array = ArrayName(path)
    var information = stat()
    if stat(array.file, &information) == 0 {
      (device, number, name) = (information.st_dev, information.st_ino, (array.name ?? "").scalars)
    } else {
      name = path.scalars
    }
  }
}

extension FileList: CustomStringConvertible {
  package var description: String {
    entries.count > 3 ? "\(entries[0]), …, \(entries.last!)" : entries.joined(separator: ", ")
  }
}

extension FileList: ExpressibleByStringLiteral {
  package init(stringLiteral value: String) { self.init(value) }
}

extension FileList: Codable {
  package init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if let entry = try? container.decode(String.self) {
      self.init(entry)
    } else if let entries = try? container.decode([String?].self), !entries.isEmpty, !entries.contains(nil) {
      self.init(entries.compactMap { $0 })
    } else {
      throw DecodingError.dataCorruptedError(
        in: container,
        debugDescription: "it must be null, a path, or a list of paths without null; a path may be a pattern")
    }
  }

  /// A single entry is encoded as a string.
  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    if entries.count == 1 { try container.encode(entries[0]) } else { try container.encode(entries) }
  }
}
