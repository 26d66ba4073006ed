<?php
// Loads the plug-in into WordPress, and runs what comes as lines of JSON: [name, argument, …]. Each gets a line of JSON.
// The folder of a WordPress is the first argument; without it, functions.php stands for one.

[, $plugin, $wordpress] = $argv + [2 => ''];
ini_set('display_errors', 'stderr');
set_error_handler(function ($level, $text, $file, $line) use ($plugin) {
    if ($file === $plugin) { // WordPress itself may be too old for this PHP
        throw new ErrorException("$text in line $line", 0, $level, $file, $line);
    }
    return true;
});
if ($wordpress) {
    define('WP_USE_THEMES', false);
    $_SERVER += ['HTTP_HOST' => '127.0.0.1', 'REQUEST_URI' => '/', 'SERVER_PROTOCOL' => 'HTTP/1.1'];
    // After the plug-ins that are active, and before `init`.
    $load = fn () => function_exists('ThumbnailService\register') || require $plugin;
    $wp_filter = ['plugins_loaded' => [['ours' => ['function' => $load, 'accepted_args' => 0]]]];
    require "$wordpress/wp-load.php";
    require_once ABSPATH . 'wp-admin/includes/admin.php';
} else {
    require __DIR__ . '/functions.php';
    require $plugin;
    do_action('init');
}
ThumbnailService\register_settings();
$contributor = wp_insert_user(['user_login' => uniqid('c'), 'user_pass' => 'x', 'role' => 'contributor']);
$users = ['administrator' => 1, 'contributor' => $contributor, 'visitor' => 0];

function shown(callable $show): string
{
    ob_start();
    $show();
    return ob_get_clean();
}

$commands = [
    'user' => fn ($role) => wp_set_current_user($users[$role])->ID,
    'post' => fn ($role) => wp_insert_post(['post_title' => 'A post', 'post_status' => 'draft', 'post_author' => $users[$role]]),
    'settings' => fn ($given) => update_option('thumbnail_service', $given),
    'stored' => fn () => get_option('thumbnail_service', null),
    'forget' => fn () => delete_option('thumbnail_service'),
    'complaints' => fn () => array_column(get_settings_errors('thumbnail_service'), 'message'),
    'shortcode' => fn ($text) => do_shortcode($text),
    'block' => fn ($attributes) => render_block(['blockName' => 'thumbnail-service/thumbnail', 'attrs' => $attributes, 'innerBlocks' => [], 'innerHTML' => '', 'innerContent' => []]),
    'scripts' => fn () => array_values(array_map(fn ($handle) => wp_scripts()->registered[$handle]->src, wp_scripts()->queue)),
    'page' => fn () => shown('ThumbnailService\show_settings'),
    'box' => fn ($id) => shown(fn () => ThumbnailService\show_button(get_post($id))),
    'attributes' => fn () => ThumbnailService\attribute_names(),
    'constant' => fn ($name) => constant("ThumbnailService\\$name"),
    'generate' => function ($id, $body) {
        $request = new WP_REST_Request('POST', "/thumbnail-service/v1/posts/$id");
        $request->set_header('Content-Type', 'application/json');
        $request->set_body(json_encode($body));
        $answer = rest_do_request($request);
        return [$answer->get_status(), $answer->get_data()];
    },
    'meta' => fn ($id, $key) => get_post_meta($id, $key, true),
    'file' => fn ($id) => get_attached_file($id),
    'uninstall' => fn () => ThumbnailService\uninstall(),
];
while (($line = fgets(STDIN)) !== false) {
    $words = json_decode($line, true);
    $name = array_shift($words);
    try {
        $answer = ['returned' => $commands[$name](...$words)];
    } catch (Throwable $error) {
        $answer = ['raised' => "$error"];
    }
    fwrite(STDOUT, json_encode($answer, JSON_THROW_ON_ERROR) . "\n");
}
