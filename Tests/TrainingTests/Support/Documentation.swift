import Foundation
import TestSupport

/// The documentation in the root of the package and in `docs`.
enum Documentation {
  static func text(_ path: String) throws -> String {
    try String(contentsOf: Repository.root.appending(path: path), encoding: .utf8)
  }

  /// All pages, by their paths from the root.
  static func pages() throws -> [String] {
    func names(_ folder: String) throws -> [String] {
      try FileManager.default.contentsOfDirectory(atPath: Repository.root.appending(path: folder).path)
        .filter { $0.hasSuffix(".md") }.sorted()
    }
    return try names(".") + names("docs").map { "docs/\($0)" }
  }

  /// The lines of a page outside its blocks of code.
  static func prose(_ page: String) throws -> [Substring] {
    var isCode = false
    return try text(page).split(separator: "\n").filter { line in
      if line.hasPrefix("```") { isCode.toggle() }
      return !isCode && !line.hasPrefix("```")
    }
  }

  /// The anchors of a page's headings, which GitHub derives from their text for links.
  static func anchors(_ page: String) throws -> Set<String> {
    Set(
      try prose(page).compactMap { line in
        guard let heading = line.wholeMatch(of: /#{1,6} (.*)/)?.1 else { return nil }
        return String(
          heading.lowercased().filter { $0.isLetter || $0.isNumber || "-_ ".contains($0) }
            .map { $0 == " " ? "-" : $0 })
      })
  }

  /// The Swift files in and below a folder.
  static func sources(_ folder: String = "Sources") throws -> [String] {
    try FileManager.default.subpathsOfDirectory(atPath: Repository.root.appending(path: folder).path)
      .filter { $0.hasSuffix(".swift") }.map { try text("\(folder)/\($0)") }
  }
}
