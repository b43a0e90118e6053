//! LibreOffice's user profile: settings that keep documents from reaching out, and the macro.

use std::fs;
use std::io;
use std::path::Path;

use crate::shim;

/// Writes a profile into `folder`, which need not exist.
///
/// It says that the set-up of a new user is done: otherwise LibreOffice would copy its presets over the macro.
pub(crate) fn write(folder: &Path) -> io::Result<()> {
    let basic = folder.join("user/basic");
    let standard = basic.join("Standard");
    fs::create_dir_all(&standard)?;
    fs::write(folder.join("user/registrymodifications.xcu"), settings())?;
    fs::write(basic.join("script.xlc"), LIBRARIES)?;
    fs::write(standard.join("script.xlb"), LIBRARY)?;
    fs::write(standard.join(format!("{}.xba", shim::MODULE)), shim::module())
}

/// Path, property and value of each setting.
const SETTINGS: &[(&str, &str, &str)] = &[
    ("/org.openoffice.Setup/Office", "ooSetupInstCompleted", "true"),
    // Links in a document lead nowhere. The jail has no network either: these are the second wall, and spare the wait.
    ("/org.openoffice.Office.Common/Security/Scripting", "BlockUntrustedRefererLinks", "true"),
    ("/org.openoffice.Office.Common/Security/Scripting", "DisableActiveContent", "true"),
    ("/org.openoffice.Office.Common/Security/Scripting", "DisableMacrosExecution", "true"),
    ("/org.openoffice.Office.Common/Security/Scripting", "MacroSecurityLevel", "3"),
    ("/org.openoffice.Office.Writer/Content/Update", "Link", "0"),
    ("/org.openoffice.Office.Calc/Content/Update", "Link", "1"),
    // Nobody will ask for these after a crash.
    ("/org.openoffice.Office.Recovery/RecoveryInfo", "Enabled", "false"),
    ("/org.openoffice.Office.Recovery/AutoSave", "Enabled", "false"),
    // A thumbnail costs a layout and a drawing of the first page.
    ("/org.openoffice.Office.Common/Save/Document", "GenerateThumbnail", "false"),
];

fn settings() -> String {
    let items: String = SETTINGS
        .iter()
        .map(|(path, name, value)| {
            format!("<item oor:path=\"{path}\"><prop oor:name=\"{name}\" oor:op=\"fuse\"><value>{value}</value></prop></item>\n")
        })
        .collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<oor:items xmlns:oor=\"http://openoffice.org/2001/registry\" \
         xmlns:xs=\"http://www.w3.org/2001/XMLSchema\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">\n{items}</oor:items>\n"
    )
}

const LIBRARIES: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE library:libraries PUBLIC "-//OpenOffice.org//DTD OfficeDocument 1.0//EN" "libraries.dtd">
<library:libraries xmlns:library="http://openoffice.org/2000/library" xmlns:xlink="http://www.w3.org/1999/xlink">
 <library:library library:name="Standard" xlink:href="$(USER)/basic/Standard/script.xlb/" xlink:type="simple" library:link="false"/>
</library:libraries>
"#;

const LIBRARY: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE library:library PUBLIC "-//OpenOffice.org//DTD OfficeDocument 1.0//EN" "library.dtd">
<library:library xmlns:library="http://openoffice.org/2000/library" library:name="Standard" library:readonly="false" library:passwordprotected="false">
 <library:element library:name="Shim"/>
</library:library>
"#;
